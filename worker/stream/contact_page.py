"""What this worker knows of one contact, read from its store: as of the last round that is durable and visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker import metrics as catalogue
from worker.cases.standing import contact_json, contact_of, standings
from worker.clock import monotonic, now_ms
from worker.contracts.partitioner import partition_of
from worker.errors import WorkerError
from worker.pipeline.graves import grave_key
from worker.web.contacts import Answer, ContactPage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from worker.scoring.model import Model
    from worker.stream.app import WorkerApp
    from worker.stream.rounds import OwnedPartition
    from worker.web.contacts import LookUp

_NO_PARTITION = -1


def contact_page(app: WorkerApp, models: Sequence[Model]) -> ContactPage | None:
    """Return the page of contacts of *app*; None where no token is set: then there is none."""
    token = app.settings.web_token
    if token is None:
        return None

    def count(status: int) -> None:
        app.metrics.add(catalogue.CONTACT_LOOKUPS, code=status)

    return ContactPage(token, contact_look_up(app, models), count, monotonic)


def contact_look_up(app: WorkerApp, models: Sequence[Model]) -> LookUp:
    """Return the function that answers for contacts of the partitions that *app* owns."""
    secret = app.settings.erasure_key.reveal().encode() if app.settings.erasure_key else b""

    def look_up(key: bytes) -> Answer:
        count = app.assignment.partitions
        number = partition_of(key, count) if count else _NO_PARTITION
        one = app.assignment.owned.get(number)
        if (refusal := _not_here(app, number, one)) is not None:
            return refusal
        try:
            value, grave = app.contacts.get_many(number, [key, grave_key(key, secret)])
            contact = contact_of(value, grave, models)
            found = [] if contact is None else standings(key, contact, models, _as_of(app))
        except WorkerError as error:
            return Answer(503, {"problem": f"its state cannot be read now ({error.code})", "partition": number})
        if not found and (contact is None or contact.erased_ms is None):
            return Answer(404, {"problem": "nothing is known of it", "partition": number})
        return Answer(200, contact_json(key.decode(), number, contact, found))

    return look_up


def _not_here(app: WorkerApp, number: int, one: OwnedPartition | None) -> Answer | None:
    """Return why partition *number* is not answered for, None when it is."""
    if number == _NO_PARTITION or (number in app.assignment.awaited and (one is None or one.is_carrying_over)):
        return Answer(503, {"problem": "state is being restored or carried over"})
    if one is None:
        topic = app.settings.input_topic
        problem = f"{topic}[{number}] belongs to another worker; `leadscore lag` shows which"
        return Answer(421, {"problem": problem, "partition": number})
    return None


def _as_of(app: WorkerApp) -> Callable[[Model], int | None]:
    """Return the instant for a model: now; by stream time the newest event, beyond which no time has passed."""
    is_wall = app.settings.time == "wall"

    def as_of(_: Model) -> int | None:
        return now_ms() if is_wall else None

    return as_of
