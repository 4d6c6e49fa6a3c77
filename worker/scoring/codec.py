"""
The stored form of a contact: a fixed header, then MessagePack arrays; smaller than JSON by far and read in one call.

Layout of version 1: `version u8 | fire instant i64 | epoch u32 | offset i64 | revision u32 | {model name: state}`. A state is an array
`[version, digest, newest instant, base, journal, latch, late ids, evaluated, row hash, attributes, adjustments]`, trailing empty
places cut. Instants inside are milliseconds before the newest one: small numbers are small bytes. A decoder of every released
version stays.
"""

from __future__ import annotations

from math import copysign
from struct import Struct
from typing import TYPE_CHECKING, Any

import msgspec

from worker.errors import StateError
from worker.scoring.contact import Contact, Fence, ModelState
from worker.scoring.history import Entry, History
from worker.scoring.inactivity import next_step
from worker.scoring.limits import Rolling
from worker.scoring.qualification import Latch
from worker.scoring.state import Extras, Fold, RuleState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.scoring.matching import Matcher
    from worker.scoring.model import Model

LAYOUT = 1
_HEADER = Struct(">BqIqI")
_NO_FIRE = -(1 << 63)
_EXACT_INTEGERS = float(1 << 53)

_encode = msgspec.msgpack.Encoder().encode
_decode_models = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decode_state = msgspec.msgpack.Decoder(list[Any]).decode


def pack_header(fence: Fence, fire_ms: int | None) -> bytes:
    """Return the header of a stored value; every row of the changelog has one."""
    return _HEADER.pack(LAYOUT, _NO_FIRE if fire_ms is None else fire_ms, *fence)


def fence_of(value: bytes) -> Fence:
    """Return the fence of a stored value. Raises StateError on a layout this version does not know."""
    return Fence(*_unpack(value)[2:])


def fire_of(value: bytes) -> int | None:
    """Return the instant at which a stored value wants to be woken, None for never."""
    fire_ms: int = _unpack(value)[1]
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
    for model, state in zip(models, contact.models, strict=True):
        if state is not None:
            states[model.name] = _pack_state(model, state)
    return pack_header(contact.fence, fire_ms) + _encode(states)


def decode_contact(value: bytes, models: Sequence[Model], matchers: Sequence[Matcher]) -> Contact:
    """
    Return the contact stored as *value*.

    Raises StateError when a model's state was made by another version or content of that model.
    """
    contact = Contact(len(models))
    contact.fence = fence_of(value)
    contact.stored_fire_ms = fire_of(value)
    contact.others = _decode_models(body_of(value))
    for index, model in enumerate(models):
        raw = contact.others.pop(model.name, None)
        if raw is not None:
            contact.models[index] = _unpack_state(model, matchers[index], _decode_state(raw))
    return contact


def short_digest(model: Model) -> bytes:
    """Return the part of the model's digest that is kept with every state."""
    return bytes.fromhex(model.digest[:16])


def _pack_state(model: Model, state: ModelState) -> list[Any]:
    history = state.history
    newest_ms = history.newest_ms or 0
    journal: list[Any] = []
    for at_ms, event_id, trace in history.journal:
        journal += (newest_ms - at_ms, event_id, trace.stored)
    latch = state.latch
    packed = [
        model.version,
        short_digest(model),
        newest_ms,
        None if history.base is None else _pack_fold(model, history.base, newest_ms),
        journal,
        None if latch == _UNTOUCHED else latch,
        history.late_ids or None,
        None if state.evaluated_ms is None else newest_ms - state.evaluated_ms,
        state.row_hash or None,
    ]
    return _cut(packed)


def _unpack_state(model: Model, matcher: Matcher, packed: list[Any]) -> ModelState:
    packed += [None] * (9 - len(packed))
    version, digest, newest_ms, base, journal, latch, late_ids, evaluated, row_hash = packed[:9]
    if (version, digest) != (model.version, short_digest(model)):
        _refuse_other_model(model, version)
    state = ModelState()
    history = state.history = History()
    if base is not None:
        history.base = _unpack_fold(model, base, newest_ms)
    entries = zip(journal[::3], journal[1::3], journal[2::3], strict=True)
    history.journal = [Entry(newest_ms - ago, event_id, matcher.restore(stored)) for ago, event_id, stored in entries]
    history.ids = set(journal[1::3])
    history.late_ids = late_ids or []
    if latch is not None:
        state.latch = msgspec.convert(latch, Latch)
    state.evaluated_ms = None if evaluated is None else newest_ms - evaluated
    state.row_hash = row_hash or 0
    return state


_UNTOUCHED = Latch()


def _refuse_other_model(model: Model, version: int) -> None:
    if version == model.version:
        problem = f"version {version} of this model was something else when the state was written"
        fix = "raise `version` at every change of a model file; going back = the old content under a higher version"
    else:
        problem = f"state was written by version {version} of this model, version {model.version} is loaded"
        fix = f"load version {version}; carrying state over to another version is not supported by this release"
    raise StateError(where=f"model {model.name}", problem=problem, fix=fix)


def _pack_fold(model: Model, fold: Fold, newest_ms: int) -> list[Any]:
    rules = [_pack_rule(model, index, rule, newest_ms) for index, rule in fold.rules.items()]
    extras = [[index, e.inactivity, e.feedback, e.penalties] for index, e in fold.extras.items()]
    last_ms = fold.last_activity_ms
    idle = None if last_ms is None else newest_ms - last_ms
    return _cut([newest_ms - fold.at_ms, fold.is_scored, rules, idle, extras or None])


def _unpack_fold(model: Model, packed: list[Any], newest_ms: int) -> Fold:
    packed += [None] * (5 - len(packed))
    ago, is_scored, rules, idle, extras = packed
    fold = Fold()
    fold.at_ms = newest_ms - ago
    fold.is_scored = is_scored
    for rule in rules:
        fold.rules[rule[0]] = _unpack_rule(model, rule, newest_ms)
    fold.last_activity_ms = None if idle is None else newest_ms - idle
    fold.next_step_ms = next_step(model, fold.last_activity_ms, fold.at_ms)
    for index, inactivity, feedback, penalties in extras or ():
        fold.extras[index] = Extras(inactivity, feedback, penalties)
    return fold


def _pack_rule(model: Model, index: int, state: RuleState, newest_ms: int) -> list[Any]:
    """Return `[rule, count, last, value, reference, awarded, once-keys, times]`, trailing empty places cut."""
    rule = model.rules[index]
    packed: list[Any] = [index, state.count, newest_ms - state.last_ms, _number(state.value)]
    reference = None if rule.decay is None else newest_ms - state.reference_ms
    awarded = None if state.awarded == state.value else _number(state.awarded)
    keys = list(state.keys) if state.keys else None
    times = state.times
    if times is not None:
        if isinstance(rule.limit, Rolling):
            times = [newest_ms - at_ms for at_ms in times]
        packed += (reference, awarded, keys, times)
    elif keys is not None:
        packed += (reference, awarded, keys)
    elif awarded is not None:
        packed += (reference, awarded)
    elif reference is not None:
        packed.append(reference)
    return packed


def _unpack_rule(model: Model, packed: list[Any], newest_ms: int) -> RuleState:
    packed += [None] * (8 - len(packed))
    index, count, last, value, reference, awarded, keys, times = packed
    rule = model.rules[index]
    state = RuleState()
    state.count = count
    state.last_ms = newest_ms - last
    state.value = float(value)
    state.reference_ms = state.last_ms if reference is None else newest_ms - reference
    state.awarded = state.value if awarded is None else float(awarded)
    state.keys = dict.fromkeys(keys) if keys else None
    if times and isinstance(rule.limit, Rolling):
        times = [newest_ms - ago for ago in times]
    state.times = times
    return state


def _number(value: float) -> float | int:
    """Return whole numbers as integers: three bytes at most for the usual points instead of nine; never loses a bit."""
    if value.is_integer() and abs(value) < _EXACT_INTEGERS and (value or copysign(1.0, value) > 0):
        return int(value)
    return value


def _cut(places: list[Any]) -> list[Any]:
    """Cut trailing empty places."""
    while places and places[-1] is None:
        places.pop()
    return places
