"""Where a stored contact stands at an instant: score, explanation and what comes next, the same for commands and web page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from worker.cases.explained import explained_json, explained_lines
from worker.cases.outcome import Outcome
from worker.cases.wording import number
from worker.contracts.event_rules import MAX_ID_BYTES
from worker.contracts.instants import format_instant
from worker.export import folds_as_of
from worker.pipeline.dues import Clockwork
from worker.pipeline.graves import contact_of_grave
from worker.pipeline.told import status_name
from worker.scoring.codec import decode_contact, fence_of
from worker.scoring.explain import explain
from worker.scoring.matching import Matcher
from worker.scoring.next_steps import outlook
from worker.scoring.qualification import is_held

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from worker.scoring.carry_over import Lineage
    from worker.scoring.contact import Contact
    from worker.scoring.latch import Latch
    from worker.scoring.model import Model
    from worker.scoring.next_steps import Outlook


def key_of_contact(contact_id: str) -> bytes:
    """
    Return the key of the records of *contact_id*.

    Raises:
        ValueError: No contact can have it: it is empty, too long, or has a character that controls terminals (as our own rows do).
    """
    try:
        key = contact_id.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8 text") from None
    if not 0 < len(key) <= MAX_ID_BYTES:
        raise ValueError(f"it has 1 to {MAX_ID_BYTES} bytes of UTF-8")
    if any(char < " " or char == "\x7f" for char in contact_id):
        raise ValueError("it has a control character")
    return key


class Standing(NamedTuple):
    """A contact under one model, as of `outcome.at_ms`; of what sales was told the latch remembers the newest."""

    model: Model
    outcome: Outcome
    ahead: Outlook
    next_due_ms: int | None  # when time alone may change something; None: never


def contact_of(
    value: bytes | None, grave: bytes | None, models: Sequence[Model], lineage: Lineage | None = None
) -> Contact | None:
    """
    Return the contact whose stored *value* and *grave* these are, None when there are neither.

    A value that is older than its grave has outlived its erasure: nothing of it is returned.

    Raises:
        StateError: It was stored by a version of a model that is not known.
    """
    if grave is not None and (value is None or fence_of(value) < fence_of(grave)):
        return contact_of_grave(grave, len(models))
    if value is None:
        return None
    return decode_contact(value, models, [Matcher(model) for model in models], lineage)


def standings(
    key: bytes, contact: Contact, models: Sequence[Model], as_of: Callable[[Model], int | None]
) -> list[Standing]:
    """
    Return where *contact* stands under each model that knows it; its latches move up to that instant.

    Args:
        key: Its id in UTF-8.
        contact: Nobody else's; one decoded for this.
        models: Those it was decoded with.
        as_of: The instant for a model; of it and the contact's newest event the later one is taken. None: the newest event.

    Raises:
        StateError: State that old is no longer kept.
    """
    found = []
    for index, model in enumerate(models):
        state = contact.models[index]
        if state is None or state.history.newest_ms is None:
            continue
        at_ms = max(as_of(model) or state.history.newest_ms, state.history.newest_ms)
        for _, at_it, fold in folds_as_of([(key, contact)], model, index, at_ms):
            latch = at_it.latch
            status = "held" if is_held(model, fold, latch, at_ms) else status_name(latch)
            outcome = Outcome(at_ms, fold, latch, status, explain(model, fold, at_ms))
            ahead = outlook(model, fold, latch, at_ms)
            found.append(Standing(model, outcome, ahead, Clockwork(model, publish_tiers=False).due_of(at_it)))
    return found


def standing_lines(name: str, standing: Standing) -> list[str]:
    """Return *standing* of the contact *name* for people."""
    model, outcome, ahead, next_due_ms = standing
    due = "never" if next_due_ms is None else f"at {format_instant(next_due_ms)}"
    return [
        *explained_lines(model, name, outcome, ahead, _told_lines(outcome.latch)),
        f"Next looked at without an event: {due}.",
    ]


def _told_lines(latch: Latch) -> list[str]:
    lines = []
    if latch.told_ms is not None:
        kept = ", not published (before LEADSCORE_EMIT_SINCE)" if latch.is_kept_back else ""
        lines.append(
            f"last at {format_instant(latch.told_ms)}, score {number(latch.told_score)}, sequence {latch.sequence}{kept}"
        )
    if latch.first_ready_ms is not None:
        last_ms = latch.last_ready_ms or latch.first_ready_ms
        lines.append(f"ready first at {format_instant(latch.first_ready_ms)}, last at {format_instant(last_ms)}")
    return lines


def contact_json(contact_id: str, partition: int, contact: Contact | None, found: Sequence[Standing]) -> dict[str, Any]:
    """Return what is known of a contact, for programs; *found* are its standings."""
    erased_ms = None if contact is None else contact.erased_ms
    return {
        "contact_id": contact_id,
        "partition": partition,
        "erased_at": _instant(erased_ms),
        "models": [_standing_json(one) for one in found],
    }


def _standing_json(standing: Standing) -> dict[str, Any]:
    model, outcome, ahead, next_due_ms = standing
    latch = outcome.latch
    return explained_json(model, outcome, ahead) | {
        "as_of": format_instant(outcome.at_ms),
        "next_due": _instant(next_due_ms),
        "told": {
            "sequence": latch.sequence,
            "epoch": latch.epoch or None,
            "at": _instant(latch.told_ms),
            "score": None if latch.told_ms is None else latch.told_score,
            "first_ready_at": _instant(latch.first_ready_ms),
            "last_ready_at": _instant(latch.last_ready_ms),
            "is_kept_back": latch.is_kept_back,
        },
    }


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else format_instant(at_ms)
