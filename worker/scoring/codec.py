"""
The stored form of a contact: a fixed header, then MessagePack arrays; smaller than JSON by far and read in one call.

Layout of version 1: `version u8 | fire instant i64 | epoch u32 | offset i64 | revision u32 | {model name: state}`. A state is an array
`[version, newest instant, base, journal ids, journal instants, journal codes, journal keys, latch, late ids, evaluated, row hash]`,
trailing empty places cut; under the empty name lies the instant of the contact's erasure.

Instants inside are milliseconds before the newest one. The journal is kept a column each: instants but the newest as fixed-width
numbers, ids as 16 bytes each when all of them are UUIDs, once-keys as eight bytes each for those codes that have one
(`once_per: contact` is always 0 and not kept). A decoder of every released version stays.
"""

from __future__ import annotations

from struct import Struct, pack, unpack
from typing import TYPE_CHECKING, Any

import msgspec

from worker.errors import StateError
from worker.scoring.attributes import forget_removed
from worker.scoring.contact import Contact, Fence, ModelState
from worker.scoring.fold_codec import cut, pack_fold, unpack_fold
from worker.scoring.latch import Latch
from worker.scoring.trace_codec import pack_trace, unpack_trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.scoring.carry_over import Lineage
    from worker.scoring.history import History, Id
    from worker.scoring.matching import Matcher, Trace
    from worker.scoring.model import Model

LAYOUT = 1
_HEADER = Struct(">BqIqI")
_FENCE_IN_HEADER = Struct(">IqI")
_FENCE_AT = _HEADER.size - _FENCE_IN_HEADER.size
_FIRE_IN_HEADER = Struct(">q")
_NO_FIRE = -(1 << 63)
_ERASED = ""
"""Stands for the instant of the last erasure among the names of models."""
_UUID_BYTES = 16
_SHORT_SPAN_MS = 1 << 32

_Columns = tuple[bytes | list["Id"], bytes, list[Any], bytes | None]
"""Ids, instants, codes and keys of a journal."""

_encode = msgspec.msgpack.Encoder().encode
_decode_models = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decode_state = msgspec.msgpack.Decoder(list[Any]).decode
_decode_instant = msgspec.msgpack.Decoder(int).decode


def pack_header(fence: Fence, fire_ms: int | None) -> bytes:
    """Return the header of a stored value; every row of the changelog has one."""
    return _HEADER.pack(LAYOUT, _NO_FIRE if fire_ms is None else fire_ms, *fence)


def fence_of(value: bytes) -> Fence:
    """Return the fence of a stored value. Raises StateError on a layout this version does not know."""
    return Fence(*_unpack(value)[2:])


def fire_of(value: bytes) -> int | None:
    """Return the instant at which a stored value wants to be woken, None for never."""
    if len(value) < _HEADER.size or value[0] != LAYOUT:
        _unpack(value)
    (fire_ms,) = _FIRE_IN_HEADER.unpack_from(value, 1)
    return None if fire_ms == _NO_FIRE else fire_ms


def fence_fields(value: bytes) -> tuple[int, int, int]:
    """Return the fence of a stored value as a plain tuple, for those who compare millions of them."""
    if len(value) < _HEADER.size or value[0] != LAYOUT:
        _unpack(value)
    return _FENCE_IN_HEADER.unpack_from(value, _FENCE_AT)


def check_body(value: bytes) -> int | None:
    """
    Return what `fire_of` returns of a contact's stored value, having read it as far as into its parts.

    Raises StateError, and msgspec.DecodeError for what is no body.
    """
    if len(value) < _HEADER.size or value[0] != LAYOUT:
        _unpack(value)
    _decode_models(memoryview(value)[_HEADER.size :])
    (fire_ms,) = _FIRE_IN_HEADER.unpack_from(value, 1)
    return None if fire_ms == _NO_FIRE else fire_ms


def body_of(value: bytes) -> memoryview:
    """Return what follows the header."""
    return memoryview(value)[_HEADER.size :]


def _unpack(value: bytes) -> tuple[Any, ...]:
    if len(value) < _HEADER.size or value[0] != LAYOUT:
        found = value[0] if value else "none"
        raise StateError(
            where="stored state",
            problem=f"layout {found}, this version reads layout {LAYOUT}",
            fix="run the version that wrote it, or a later one",
        )
    return _HEADER.unpack_from(value)


def encode_contact(contact: Contact, models: Sequence[Model], fire_ms: int | None) -> bytes:
    """Return *contact* as stored, to be woken at *fire_ms*."""
    states: dict[str, Any] = dict(contact.others)
    if contact.erased_ms is not None:
        states[_ERASED] = contact.erased_ms
    for model, state in zip(models, contact.models, strict=True):
        if state is not None:
            states[model.name] = _pack_state(model, state)
    value = pack_header(contact.fence, fire_ms) + _encode(states)
    contact.size_bytes = len(value)
    return value


def decode_contact(
    value: bytes, models: Sequence[Model], matchers: Sequence[Matcher], lineage: Lineage | None = None
) -> Contact:
    """
    Return the contact stored as *value*; states of earlier versions of a model are carried over where *lineage* knows these.

    Raises:
        StateError: a state was made by a version of its model that is not known.
    """
    contact = Contact(len(models))
    contact.fence = fence_of(value)
    contact.stored_fire_ms = fire_of(value)
    contact.size_bytes = len(value)
    states = _decode_models(body_of(value))
    erased = states.pop(_ERASED, None)
    if erased is not None:
        contact.erased_ms = _decode_instant(erased)
    for index, model in enumerate(models):
        raw = states.pop(model.name, None)
        if raw is None:
            continue
        packed = _decode_state(raw)
        if packed[0] == model.version:
            contact.models[index] = _unpack_state(model, matchers[index], packed)
        elif lineage is not None and (older := lineage.find(model, packed[0])) is not None:
            contact.carried += (index,)
            contact.models[index] = lineage.carry(model, older, _unpack_state(older.model, older.matcher, packed))
        else:
            _refuse_other_version(model, packed[0])
    if states:
        contact.others = states
    return contact


def short_digest(model: Model) -> bytes:
    """Return the part of the model's digest that is kept with a partition."""
    return bytes.fromhex(model.digest[:16])


def _pack_state(model: Model, state: ModelState) -> list[Any]:
    history = state.history
    history.trim(model)
    newest_ms = history.newest_ms or 0
    base = history.base
    if base is not None and base.attribute_dates:
        forget_removed(base, newest_ms - model.lateness_ms)
    latch = state.latch
    packed = [
        model.version,
        newest_ms,
        None if base is None else pack_fold(model, base, newest_ms),
        *_pack_journal(model, history, newest_ms),
        None if latch == _UNTOUCHED else latch,
        history.late_ids or None,
        None if state.evaluated_ms is None else newest_ms - state.evaluated_ms,
        state.row_hash or None,
    ]
    return cut(packed)


_UNTOUCHED = Latch()


def _pack_journal(model: Model, history: History, newest_ms: int) -> list[Any]:
    """Return the journal's ids, instants, codes and keys."""
    instants = history.instants
    if not instants:
        return [None, None, None, None]
    ids: Any = history.event_ids
    if all(type(one) is bytes for one in ids):
        ids = b"".join(ids)
    ages = [newest_ms - at_ms for at_ms in instants[:-1]]  # that of the newest is 0
    width = "I" if not ages or ages[0] < _SHORT_SPAN_MS else "Q"
    once_a_contact = model.once_a_contact
    codes: list[Any] = []
    keys: list[int] = []
    for trace in history.traces:
        code = trace.code
        if code < 0:
            codes.append(pack_trace(model, trace))
        else:
            codes.append(code)
            if code & 2 and (code >> 2) - 1 not in once_a_contact:
                keys.append(trace.matches[0][1] or 0)
    history.keyed = len(keys)
    return [ids, pack(f"<{len(ages)}{width}", *ages), codes, pack(f"<{len(keys)}Q", *keys) if keys else None]


def _unpack_state(model: Model, matcher: Matcher, packed: list[Any]) -> ModelState:
    packed += [None] * (11 - len(packed))
    _, newest_ms, base, ids, ages, codes, keys, latch, late_ids, evaluated, row_hash = packed[:11]
    state = ModelState()
    history = state.history
    if base is not None:
        history.base = unpack_fold(model, base, newest_ms)
    if codes:
        _unpack_journal(matcher, history, newest_ms, (ids, ages, codes, keys))
    if late_ids:
        history.late_ids = tuple(late_ids)
    if latch is not None:
        state.latch = msgspec.convert(latch, Latch)
    state.evaluated_ms = None if evaluated is None else newest_ms - evaluated
    state.row_hash = row_hash or 0
    return state


def _unpack_journal(matcher: Matcher, history: History, newest_ms: int, columns: _Columns) -> None:
    ids, ages, codes, keys = columns
    n = len(codes)
    event_ids: list[Id] = (
        [ids[at : at + _UUID_BYTES] for at in range(0, len(ids), _UUID_BYTES)] if isinstance(ids, bytes) else ids
    )
    instants = [newest_ms - age for age in unpack(f"<{n - 1}{'I' if len(ages) == 4 * (n - 1) else 'Q'}", ages)]
    instants.append(newest_ms)
    once_a_contact = matcher.model.once_a_contact
    history.keyed = len(keys) // 8 if keys else 0
    left = iter(unpack(f"<{history.keyed}Q", keys) if keys else ())
    traces: list[Trace] = []
    for code in codes:
        if type(code) is not int:
            traces.append(unpack_trace(matcher.model, code))
        elif not code & 2:
            traces.append(matcher.of_code(code, None))
        else:
            traces.append(matcher.of_code(code, 0 if (code >> 2) - 1 in once_a_contact else next(left)))
    history.restore(instants, event_ids, traces)


def _refuse_other_version(model: Model, version: int) -> None:
    raise StateError(
        where=f"model {model.name}",
        problem=f"state was written by version {version} of this model, version {model.version} is loaded",
        fix=f"load version {version}, or its content under a version above both",
    )
