"""Everything that the topics hold about one person: each is read once, from its beginning to its end as it stands now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from worker.cases.standing import contact_json, standings
from worker.contracts.instants import format_instant
from worker.operations.contact_state import read_contact
from worker.operations.dead_letters import letter_of
from worker.operations.topic_lines import TopicRange, read_topic
from worker.scoring.codec import body_of, fence_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.operations.contact_state import Hear, StoredContact
    from worker.replay import Line
    from worker.scoring.model import Model
    from worker.settings import Settings


def export_contact(
    settings: Settings, models: Sequence[Model], contact_id: str, *, total: Hear, progress: Hear
) -> dict[str, Any]:
    """
    Return what is stored, scored, told and received of *contact_id*, as JSON values.

    Records count as its own by their key; where there is none, by the `contact_id` of the event that they hold.

    Raises:
        ConfigError: A topic is not there.
        DependencyError: The brokers do not answer.
        StateError: Its state was stored by a version of a model that is not known.
    """
    key = contact_id.encode()
    stored = asyncio.run(read_contact(settings, key, total=total, progress=progress))
    contact = stored.decoded(models)
    found = [] if contact is None else standings(key, contact, models, stored.reached_ms)

    def records(topic: str) -> list[dict[str, Any]]:
        if not topic:
            return []
        batches = read_topic(settings, TopicRange(topic), total=total, progress=progress)
        return [_record(line) for batch in batches for line in batch if _is_of(line, key, contact_id)]

    return contact_json(contact_id, stored.partition, contact, found) | {
        "state": _state(stored),
        "scores": records(settings.scores_topic),
        "qualifications": records(settings.qualifications_topic),
        "events": records(settings.input_topic),
        "dead_letters": records(settings.dlq_topic),
    }


def is_anything_held(document: dict[str, Any]) -> bool:
    """Return whether an export holds more than that there is nothing."""
    parts = ("state", "erased_at", "scores", "qualifications", "events", "dead_letters")
    return any(document[part] for part in parts)


def _is_of(line: Line, key: bytes, contact_id: str) -> bool:
    if line.key is not None:
        return line.key == key
    # No key: most of these never name the contact, and are not parsed.
    if line.value is None or (orjson.dumps(contact_id)[1:-1] not in line.value and b"\\" not in line.value):
        return False
    try:
        event = orjson.loads(line.value)
    except orjson.JSONDecodeError:
        return False
    return isinstance(event, dict) and event.get("contact_id") == contact_id


def _record(line: Line) -> dict[str, Any]:
    origin = line.origin
    record: dict[str, Any] = {
        "partition": None if origin is None else origin.partition,
        "offset": None if origin is None else origin.offset,
        "at": format_instant(line.timestamp),
        "value": _readable(line.value),
    }
    if line.headers:
        record["headers"] = [{"name": name, "value": _readable(value, as_text=True)} for name, value in line.headers]
    if code := letter_of(line).code:
        record["code"] = code
    return record


def _readable(value: bytes | None, *, as_text: bool = False) -> Any:
    """Return *value* as JSON or text; bytes that are neither in hexadecimal."""
    if value is None:
        return None
    if not as_text:
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            pass
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"hex": value.hex()}


def _state(stored: StoredContact) -> dict[str, Any] | None:
    """Return the stored value as it is, with names where it has them: nothing of it is left out."""
    if stored.value is None:
        return None
    return {
        "bytes": len(stored.value),
        "fence": fence_of(stored.value)._asdict(),
        "models": {name: part for name, part in _plain(msgspec.msgpack.decode(body_of(stored.value))).items() if name},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {name if isinstance(name, str) else str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
