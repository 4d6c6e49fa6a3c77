"""The stored form of a trace that no single number can stand for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from worker.scoring.attributes import Update, json_bytes
from worker.scoring.matching import Given, Trace

if TYPE_CHECKING:
    from worker.scoring.model import Model

_NULL_BYTES = 4


def pack_trace(model: Model, trace: Trace) -> list[Any]:
    """
    Return `[is life, feedback, [rule, key, ...], residues, attributes, adjustment]`, trailing empty places cut.

    An attribute's name is its place among those that *model* keeps.
    """
    places = model.attribute_places
    packed: list[Any] = [
        int(trace.is_life),
        trace.feedback,
        [part for match in trace.matches for part in match],
        trace.residues,
        None
        if trace.update is None
        else {places[name]: pack_value(value) for name, value in trace.update.values.items()},
        trace.given,
    ]
    while packed[-1] is None:
        packed.pop()
    return packed


def unpack_trace(model: Model, packed: list[Any]) -> Trace:
    """Return the trace that was packed as *packed* under *model*."""
    packed += [None] * (6 - len(packed))
    is_life, feedback, parts, residues, values, given = packed
    update = None
    if values is not None:
        names = model.attribute_names
        values = {names[place]: unpack_value(value) for place, value in values.items()}
        size = sum(_NULL_BYTES if value is None else json_bytes(value) for value in values.values())
        update = Update(values, size)
    return Trace(
        model,
        tuple(zip(parts[::2], parts[1::2], strict=True)),
        is_life=bool(is_life),
        feedback=feedback,
        residues=None if residues is None else tuple(residues),
        update=update,
        given=None if given is None else Given(*given),
    )


def pack_value(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return an attribute's *value* as stored: text and null as they are, all else as JSON, which keeps integers of any size."""
    if value is None or type(value) is str:
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def unpack_value(packed: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value that was packed as *packed*."""
    return json.loads(packed) if type(packed) is bytes else packed
