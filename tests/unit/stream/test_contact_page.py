"""What a worker says of a contact: of its own partitions, from what is durable, and otherwise where to ask."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.small import START, event_value, rule, small_model
from tests.support.small_worker import SmallWorker
from worker.contracts.partitioner import partition_of
from worker.errors import StoreUnavailable
from worker.pipeline.graves import grave_key
from worker.settings import load_settings
from worker.stream.contact_page import contact_look_up, contact_page

MODEL = small_model(rule("act", 60))
KEY = "0123456789abcdef"
PARTITIONS = 4
HERS = partition_of(b"c", PARTITIONS)
ENVIRON = {"LEADSCORE_BROKERS": "one:9092", "LEADSCORE_TIME": "stream", "LEADSCORE_ERASURE_KEY": KEY}


class Store:
    """What one partition holds; raises what it is told to."""

    def __init__(self, values: dict[bytes, bytes], error: Exception | None = None) -> None:
        self._values = values
        self._error = error

    def get_many(self, partition: int, keys: list[bytes]) -> list[bytes | None]:
        assert partition == HERS
        if self._error is not None:
            raise self._error
        return [self._values.get(key) for key in keys]


def app(
    values: dict[bytes, bytes] | None = None,
    *,
    owned: tuple[int, ...] = (HERS,),
    awaited: tuple[int, ...] | None = None,
    partitions: int = PARTITIONS,
    is_carrying_over: bool = False,
    error: Exception | None = None,
    **environ: str,
) -> Any:
    places = {number: SimpleNamespace(is_carrying_over=is_carrying_over) for number in owned}
    assignment = SimpleNamespace(
        owned=places, awaited=set(owned if awaited is None else awaited), partitions=partitions
    )
    settings = load_settings(ENVIRON | environ)
    return SimpleNamespace(settings=settings, assignment=assignment, contacts=Store(values or {}, error))


def stored(*events: bytes) -> dict[bytes, bytes]:
    worker = SmallWorker(MODEL, time="stream", erasure_key=KEY.encode())
    worker.take(*events)
    return worker.values


ACT = event_value("act", START)


def test_contact_of_an_owned_partition_is_answered_from_the_store() -> None:
    answer = contact_look_up(app(stored(ACT)), [MODEL])(b"c")
    assert answer.status == 200
    assert (answer.document["contact_id"], answer.document["partition"]) == ("c", HERS)
    assert answer.document["models"][0]["score"] == 60


def test_nobody_is_not_found() -> None:
    answer = contact_look_up(app(), [MODEL])(b"c")
    assert (answer.status, answer.document) == (404, {"problem": "nothing is known of it", "partition": HERS})


def test_erased_contact_is_said_to_be_erased() -> None:
    values = stored(ACT, event_value("contact.erased", START))
    assert grave_key(b"c", KEY.encode()) in values
    answer = contact_look_up(app(values), [MODEL])(b"c")
    assert (answer.status, answer.document["models"]) == (200, [])
    assert answer.document["erased_at"] == "2026-01-01T00:00:00.000Z"


def test_contact_of_another_workers_partition_is_misdirected() -> None:
    answer = contact_look_up(app(owned=((HERS + 1) % PARTITIONS,)), [MODEL])(b"c")
    assert (answer.status, answer.document["partition"]) == (421, HERS)
    assert "leadscore lag" in answer.document["problem"]


@pytest.mark.parametrize(
    "there",
    [
        app(partitions=0, owned=()),
        app(owned=(), awaited=(HERS,)),
        app(stored(ACT), is_carrying_over=True),
        app(stored(ACT), error=StoreUnavailable(what="Redis", problem="no answer")),
    ],
    ids=["before the first assignment", "restoring", "carrying over", "store away"],
)
def test_what_is_not_known_now_is_not_guessed(there: Any) -> None:
    """If this fails, a lead is said to be unknown while its state is on its way."""
    answer = contact_look_up(there, [MODEL])(b"c")
    assert answer.status == 503
    assert "contact_id" not in answer.document


def test_there_is_a_page_only_with_a_token() -> None:
    assert contact_page(app(), [MODEL]) is None
    assert contact_page(app(LEADSCORE_WEB_TOKEN="sixteen-characters-or-more"), [MODEL]) is not None
