from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.slots import slot_names
from tests.support.small import DAY, HOUR, START, accept, rule, small_model
from worker.errors import StateError
from worker.scoring.codec import decode_contact, encode_contact, fence_of, fire_of
from worker.scoring.contact import Contact, Fence, ModelState
from worker.scoring.latch import Latch, Status
from worker.scoring.matching import Matcher
from worker.scoring.model import Model
from worker.scoring.model_file import load_model
from worker.scoring.state import Extras, Fold, RuleState
from worker.scoring.trace_codec import pack_trace

MODEL = small_model(
    rule("fades", 100, decay={"half_life": "1d"}),
    rule("once", 20, once_per="properties.form"),
    rule("rolling", 5, limit={"times": 3, "within": "7d"}),
    rule("daily", 7, limit={"times": 2, "per": "day"}),
    rule("blame", -0.1, group="side", cap=5),
    groups={"engagement": {}, "side": {}},
    inactivity=[{"after": "1d", "every": "12h", "multiply": 0.3}, {"after": "9d", "reset": ["side"]}],
    feedback={"sales.lost": {"reset": ["side"], "points": -3.3}, "sales.won": {"points": 5, "group": "side"}},
    qualify={"when": {"score": {"at_least": 100}}},
)


def again(contact: Contact, *models: Model, fire_ms: int | None = None) -> Contact:
    models = models or (MODEL,)
    return decode_contact(encode_contact(contact, models, fire_ms), models, [Matcher(model) for model in models])


def contact_of(state: ModelState) -> Contact:
    contact = Contact(1)
    contact.models[0] = state
    return contact


def state_of(contact: Contact, index: int = 0) -> ModelState:
    state = contact.models[index]
    assert state is not None
    return state


def parts(one: Any) -> Any:
    """Return *one* as plain values, doubles by their bits."""
    if isinstance(one, float):
        return struct.pack(">d", one)
    if isinstance(one, dict):
        return [(key, parts(value)) for key, value in one.items()]
    if isinstance(one, list):
        return [parts(value) for value in one]
    if isinstance(one, Fold | RuleState | Extras):
        return [(name, parts(getattr(one, name))) for name in slot_names(one)]
    return one


TYPES = ["fades", "once", "rolling", "daily", "blame", "sales.lost", "sales.won", "other"]
HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(TYPES), st.integers(-5 * DAY, 5 * DAY), st.sampled_from(["a", "b", 1, None])), max_size=12
)


@given(HAPPENINGS)
def test_history_comes_back_bit_for_bit(happened: list[tuple[str, int, object]]) -> None:
    """If this fails, a restart changes scores."""
    state = ModelState()
    for number, (event_type, offset, form) in enumerate(happened):
        accept(state.history, MODEL, event_type, START + offset, f"id {number}", form=form)
    back = state_of(again(contact_of(state)))
    assert parts(back.history.base) == parts(state.history.base) or is_equal_but_unread(back, state)
    assert parts(back.history.head(MODEL)) == parts(state.history.head(MODEL)) or is_equal_but_unread(back, state)
    assert back.history.ids == state.history.ids
    assert back.history.late_ids == state.history.late_ids
    assert [entry[:2] for entry in back.history.journal] == [entry[:2] for entry in state.history.journal]
    assert [pack_trace(MODEL, entry.trace) for entry in back.history.journal] == [
        pack_trace(MODEL, entry.trace) for entry in state.history.journal
    ]


def is_equal_but_unread(back: ModelState, state: ModelState) -> bool:
    """A reference instant of points that never fade is not kept, and never read."""
    for one in (back, state):
        for fold in (one.history.base, one.history.head(MODEL)):
            for index, kept in (fold.rules if fold is not None else {}).items():
                if MODEL.rules[index].decay is None:
                    kept.reference_ms = 0
    ours = [parts(one.history.base) for one in (back, state)] + [
        parts(one.history.head(MODEL)) for one in (back, state)
    ]
    return bool(ours[0] == ours[1] and ours[2] == ours[3])


@given(HAPPENINGS)
def test_value_that_was_read_is_written_again_byte_for_byte(happened: list[tuple[str, int, object]]) -> None:
    state = ModelState()
    for number, (event_type, offset, form) in enumerate(happened):
        accept(state.history, MODEL, event_type, START + offset, f"id {number}", form=form)
    contact = contact_of(state)
    value = encode_contact(contact, [MODEL], 5)
    assert encode_contact(again(contact, fire_ms=5), [MODEL], 5) == value


DOUBLES = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 2.0**53, -(2.0**53), 2.0**53 - 1, 0.1, 5e-324])


@given(DOUBLES, DOUBLES, st.integers(0, 2**31))
def test_points_of_a_rule_come_back_to_the_last_bit(value: float, awarded: float, count: int) -> None:
    kept = RuleState()
    kept.value, kept.awarded, kept.count = value, awarded, count
    kept.last_ms = kept.reference_ms = START
    base = Fold()
    base.rules[0] = kept
    base.at_ms = START
    state = ModelState()
    state.history.base = base
    accept(state.history, MODEL, "other", START + HOUR)
    back = state_of(again(contact_of(state))).history.base
    assert back is not None
    if value == awarded:  # 0.0 and -0.0 of points given are one
        back.rules[0].awarded = kept.awarded
    assert parts(back.rules[0]) == parts(kept)


@given(DOUBLES, DOUBLES, DOUBLES)
def test_points_that_no_rule_gave_come_back_to_the_last_bit(a: float, b: float, c: float) -> None:
    base = Fold()
    base.at_ms = START
    base.extras = {1: Extras(a, b, c)}
    state = ModelState()
    state.history.base = base
    back = state_of(again(contact_of(state))).history.base
    assert back is not None
    assert parts(back.extras[1]) == parts(base.extras[1])


def test_keys_of_once_rules_come_back_in_their_order_and_with_all_64_bits() -> None:
    keys = [2**64 - 1, 0, 2**63, 1, 2**32]
    base = Fold()
    base.at_ms = START
    base.rule(1).keys = dict.fromkeys(keys)
    state = ModelState()
    state.history.base = base
    state.history.late_ids = (2**64 - 1, 7)
    back = state_of(again(contact_of(state))).history
    assert back.base is not None
    assert list(back.base.rules[1].keys or ()) == keys
    assert back.late_ids == (2**64 - 1, 7)


@pytest.mark.parametrize(("index", "times"), [(2, [START - 9 * DAY, START, START]), (3, [20_454, 2]), (2, [])])
def test_memory_of_a_limit_comes_back_also_after_a_reset(index: int, times: list[int]) -> None:
    """Instants of a rolling limit are stored as ages, period number and count of a civil one as they are."""
    base = Fold()
    base.at_ms = START
    base.rule(index).times = list(times)
    state = ModelState()
    state.history.base = base
    accept(state.history, MODEL, "other", START + HOUR)
    back = state_of(again(contact_of(state))).history.base
    assert back is not None
    assert (back.rules[index].times, back.rules[index].count) == (times, 0)


def test_latch_comes_back_field_by_field() -> None:
    latch = Latch(Status.WAITING, 3, START, START + 1, START + 2, START + 3, 99.9, 2, START + 4, is_kept_back=True)
    state = ModelState()
    state.latch = latch
    back = state_of(again(contact_of(state))).latch
    assert back == latch
    assert isinstance(back.status, Status)


@pytest.mark.parametrize("evaluated_ms", [None, START, START - DAY, START + 400 * DAY])
def test_last_evaluation_and_score_row_come_back(evaluated_ms: int | None) -> None:
    state = ModelState()
    accept(state.history, MODEL, "fades", START)
    state.evaluated_ms, state.row_hash = evaluated_ms, 2**64 - 1
    back = state_of(again(contact_of(state)))
    assert (back.evaluated_ms, back.row_hash) == (evaluated_ms, 2**64 - 1)


@pytest.mark.parametrize("offset", [0, HOUR, DAY - 1, DAY, DAY + 12 * HOUR, 2 * DAY, 8 * DAY, 9 * DAY, 30 * DAY])
def test_next_step_of_a_base_is_found_again(offset: int) -> None:
    """It is not stored: it follows from the last sign of life and the base's instant."""
    state = ModelState()
    accept(state.history, MODEL, "fades", START)
    accept(state.history, MODEL, "sales.won", START + offset)  # no sign of life
    accept(state.history, MODEL, "sales.won", START + offset + 90 * DAY)
    state.history.trim(MODEL)
    base, back = state.history.base, state_of(again(contact_of(state))).history.base
    assert base is not None
    assert back is not None
    assert back.next_step_ms == base.next_step_ms


def test_state_of_a_model_that_is_not_loaded_is_carried_along() -> None:
    other = replace(small_model(rule("act", 1)), name="other")
    contact = Contact(2)
    for index, model in enumerate((MODEL, other)):
        state = contact.models[index] = ModelState()
        accept(state.history, model, "fades" if index == 0 else "act", START)
    value = encode_contact(contact, [MODEL, other], None)
    alone = decode_contact(value, [MODEL], [Matcher(MODEL)])
    both = again(alone, MODEL)
    assert list(both.others) == ["other"]
    back = decode_contact(encode_contact(both, [MODEL], None), [other], [Matcher(other)])
    assert [entry.id for entry in state_of(back).history.journal] == [f"act@{START}"]


@given(
    st.integers(0, 2**32 - 1), st.integers(-1, 2**63 - 1), st.integers(0, 2**32 - 1), st.none() | st.integers(0, 2**62)
)
def test_fence_and_fire_instant_are_read_without_the_rest(
    epoch: int, offset: int, revision: int, fire_ms: int | None
) -> None:
    contact = Contact(1)
    contact.fence = Fence(epoch, offset, revision)
    value = encode_contact(contact, [MODEL], fire_ms)
    assert (fence_of(value), fire_of(value)) == (Fence(epoch, offset, revision), fire_ms)
    back = decode_contact(value, [MODEL], [Matcher(MODEL)])
    assert (back.fence, back.stored_fire_ms) == (contact.fence, fire_ms)


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x02" + bytes(24), b"\x00" + bytes(24)])
def test_layout_that_is_not_known_is_refused(value: bytes) -> None:
    with pytest.raises(StateError, match="layout"):
        fence_of(value)


def test_state_of_another_version_is_refused_where_that_version_is_not_known() -> None:
    state = ModelState()
    accept(state.history, MODEL, "fades", START)
    value = encode_contact(contact_of(state), [MODEL], None)
    changed = replace(MODEL, version=2)
    with pytest.raises(StateError, match=r"written by version 1 .* version 2 is loaded"):
        decode_contact(value, [changed], [Matcher(changed)])


def test_contact_with_ten_events_and_four_once_keys_is_under_300_bytes() -> None:
    """The shipped model, all ten events in the window, ids that are UUIDs; a million contacts must fit."""
    model = load_model("simple-100")
    happened: list[tuple[str, dict[str, Any]]] = [
        ("newsletter.subscribed", {}),
        ("form.submitted", {"form_id": "spring"}),
        ("asset.downloaded", {"asset_id": "guide"}),
        ("webinar.registered", {"webinar_id": "w7"}),
        *[("session.started", {}), ("page.viewed", {"path": "/pricing"}), ("email.replied", {})] * 2,
    ]
    state = ModelState()
    for number, (event_type, properties) in enumerate(happened):
        name = f"0195e6e8-0000-7000-8000-{number:012}"
        accept(state.history, model, event_type, START + number * 6 * HOUR, name, **properties)
    state.evaluated_ms, state.row_hash = START + 54 * HOUR, 2**64 - 1
    assert sum(trace.key is not None for trace in state.history.traces) == 4
    assert len(state.history.traces) == 10
    assert len(encode_contact(contact_of(state), [model], START)) < 300
