"""Every form of state comes back from its stored form as it was, to the last bit: a restart must not change a score."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.frozen import frozen
from tests.support.slots import slot_names
from tests.support.small import DAY, HOUR, START, accept, event, rule, small_model, trace_of
from worker.scoring.codec import decode_contact, encode_contact
from worker.scoring.contact import Contact, ModelState
from worker.scoring.history import History
from worker.scoring.latch import Latch, Status
from worker.scoring.matching import Matcher
from worker.scoring.model import Model
from worker.scoring.reading import read
from worker.scoring.size import worst_case_bytes
from worker.scoring.state import Adjustment, Fold
from worker.scoring.trace_codec import pack_trace, pack_value, unpack_trace, unpack_value

MODEL = small_model(
    rule("half", 10, decay={"half_life": "3d"}),
    rule("percent", 7.3, decay={"percent": {"rate": "3.5%", "every": "12h"}}),
    rule("linear", 9.1, decay={"linear": "10d"}, once_per="properties.key"),
    rule("expire", -4, decay={"expire": "7d"}, limit={"times": 3, "within": "2d"}),
    rule("pool", 3.3, group="pool"),
    {"when": {"type": "half", "attributes.a": {"exists": True}}, "points": 2, "limit": {"times": 2, "per": "day"}},
    {"when": {"any": [{"properties.key": "x"}, {"attributes.b": 1}]}, "points": 0, "group": "side"},
    {"when": {"attributes.a": 1}, "points": 20, "group": "side"},
    {"when": {"type": "reset"}, "reset": ["engagement", "pool"]},
    groups={"pool": {"drain": {"points": 0.7, "every": "1d"}}, "side": {}},
    inactivity=[
        {"after": "1d", "every": "36h", "multiply": 0.3},
        {"after": "2d", "points": -3, "group": "pool"},
        {"after": "3d", "points": 5},
    ],
    feedback={"sales.lost": {"points": -3.3, "group": "pool"}, "sales.won": {"points": -1, "reset": ["side"]}},
    qualify={
        "when": {"score": {"at_least": 10}, "seen": [{"rule": "rule 0", "times": 3, "within": "9d"}]},
        "include": ["attributes.c"],
    },
    lateness="3d",
)
VALUES: list[Any] = [
    *(1, None, "text", "é😀", True, 1.5, -0.0, 1e300, 2**63, 2**64 + 1, -(2**70)),
    [1, [None, 2**80]],
    {"deep": {"n": 2**65, "x": None}},
]


def contact_of(history: History) -> Contact:
    contact = Contact(1)
    state = contact.models[0] = ModelState()
    state.history = history
    return contact


def again(history: History, model: Model = MODEL) -> History:
    value = encode_contact(contact_of(history), [model], None)
    state = decode_contact(value, [model], [Matcher(model)]).models[0]
    assert state is not None
    return state.history


HAPPENED = st.lists(
    st.tuples(
        st.sampled_from(
            ["half", "percent", "linear", "expire", "pool", "reset", "sales.lost", "sales.won", "contact.updated", "score.adjusted"]
        ),
        st.integers(-2 * 10, 10 * 10),  # tenths of a day
        st.sampled_from(VALUES),
        st.sampled_from(["engagement", "pool", "side"]),
        st.sampled_from([None, 0.5, 3, 400]),
    ),
    max_size=14,
)  # fmt: skip


def take(history: History, happened: list[Any], first: int = 0) -> None:
    for number, (event_type, tenths, value, group, days) in enumerate(happened, first):
        at_ms = START + tenths * DAY // 10
        properties: dict[str, Any] = {"key": "x" if group == "side" else str(days)}
        if event_type == "contact.updated":
            properties = {"abc"[number % 3]: value}
        elif event_type == "score.adjusted":
            expires_at = None if days is None else at_ms + int(days * DAY)
            properties = {"points": number - 3.7, "reason": "", "group": group, "expires_at": expires_at}
        accept(history, MODEL, event_type, at_ms, f"e{number}", **properties)


@given(HAPPENED)
def test_history_of_every_form_comes_back_bit_for_bit(happened: list[Any]) -> None:
    """If this fails, a restart changes scores, or a value is written again that nothing has changed."""
    history = History()
    take(history, happened)
    value = encode_contact(contact_of(history), [MODEL], 1)
    back = decode_contact(value, [MODEL], [Matcher(MODEL)])
    state = back.models[0]
    assert state is not None
    assert encode_contact(back, [MODEL], 1) == value
    for at_ms in (START + 12 * DAY, START + 40 * DAY):
        ours, theirs = (read(MODEL, one.head_at(MODEL, at_ms), at_ms) for one in (history, state.history))
        assert frozen(ours) == frozen(theirs)


@given(HAPPENED, HAPPENED)
def test_what_comes_after_a_restart_does_not_notice_it(before: list[Any], after: list[Any]) -> None:
    """Lazy trimming, too: with a restart between everything is trimmed, without one it is not."""
    whole, parted = History(), History()
    take(whole, before)
    take(parted, before)
    parted = again(parted)
    take(whole, after, len(before))
    take(parted, after, len(before))
    values = [encode_contact(contact_of(one), [MODEL], None) for one in (whole, parted)]
    assert values[0] == values[1]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_value_of_an_attribute_comes_back_with_its_type_and_all_its_digits(value: object) -> None:
    assert repr(unpack_value(pack_value(value))) == repr(value)
    history = History()
    accept(history, MODEL, "contact.updated", START, "1", a=value)
    accept(history, MODEL, "half", START + 9 * DAY)  # the update is in the base now
    base = again(history).base
    assert base is not None
    assert repr(base.attributes.get("a")) == repr(value)
    assert base.attribute_dates == ({"a": START} if value is not None else {})


def test_removed_attribute_keeps_its_date_in_the_stored_form_until_its_window_has_passed() -> None:
    history = History()
    for n in range(513):
        accept(history, MODEL, "contact.updated", START + n, f"u{n:03}", **({"a": None} if n == 0 else {}))
    base = again(history).base
    assert base is not None
    assert base.attribute_dates == {"a": START}
    accept(history, MODEL, "half", START + 3 * DAY + 1)
    base = again(history).base
    assert base is not None
    assert base.attribute_dates == {}


@pytest.mark.parametrize(
    "one",
    [
        event("half", START),
        event("half", START, key="x"),
        event("reset", START),
        event("contact.updated", START, a=2**70, b=None, c={"x": [1.5, None]}),
        event("contact.updated", START, z=1),
        event("score.adjusted", START, points=-0.5, reason="r", group="side", expires_at="9999-12-31T23:59:59Z"),
        event("score.adjusted", START, points=3, reason="r", group="nobody"),
        event("sales.lost", START, model="small"),
    ],
    ids=lambda one: f"{one.type} {json.dumps(one.properties)[:30]}",
)
def test_trace_comes_back_from_its_stored_form(one: Any) -> None:
    trace = trace_of(MODEL, one)
    back = unpack_trace(MODEL, pack_trace(MODEL, trace))
    assert [repr(getattr(back, name)) for name in slot_names(trace)] == [
        repr(getattr(trace, name)) for name in slot_names(trace)
    ]


def folded_base(change: Any) -> Fold:
    base = Fold()
    base.at_ms = START
    base.is_scored = True
    change(base)
    history = History()
    history.base = base
    accept(history, MODEL, "sales.accepted", START + HOUR)
    back = again(history).base
    assert back is not None
    assert frozen(back) == frozen(base)
    return back


def test_lots_come_back_in_their_order_and_their_sum_with_them() -> None:
    def change(base: Fold) -> None:
        state = base.rule(2)
        state.lots = {START - 3 * DAY: 0.1, START - DAY: 0.2, START: 0.3}
        state.value = 0.0 + 0.1 + 0.2 + 0.3
        state.count, state.awarded, state.last_ms = 9, 12.5, START

    assert list(folded_base(change).rules[2].lots or ()) == [START - 3 * DAY, START - DAY, START]


def test_rule_whose_lots_are_all_gone_comes_back_empty() -> None:
    def change(base: Fold) -> None:
        state = base.rule(2)
        state.lots, state.count, state.awarded, state.last_ms = {}, 1, 9.1, START

    assert folded_base(change).rules[2].value == 0.0


def test_pool_and_adjustments_come_back() -> None:
    def change(base: Fold) -> None:
        pool = base.pool(1)
        pool.value, pool.reference_ms, pool.awarded, pool.count, pool.last_ms = -0.1, START - DAY, 7.25, 3, START - 5
        base.adjustments = (Adjustment(0, 0.1, START + 9_000 * DAY), Adjustment(2, -5.0, START - 1))

    assert folded_base(change).adjustments[1] == (2, -5.0, START - 1)


def test_instants_of_awards_seen_come_back() -> None:
    def change(base: Fold) -> None:
        state = base.rule(0)
        state.seen, state.count, state.last_ms, state.reference_ms = [START - 5, START, START], 3, START, START
        state.value = state.awarded = 30.0

    assert folded_base(change).rules[0].seen == [START - 5, START, START]


def test_latch_comes_back_with_its_tiers() -> None:
    state = ModelState()
    state.latch = Latch(
        Status.READY, 2, START, START, START, START, 1.5, 1, None, is_kept_back=True, tier=2, tier_changes=7
    )
    contact = Contact(1)
    contact.models[0] = state
    back = decode_contact(encode_contact(contact, [MODEL], None), [MODEL], [Matcher(MODEL)]).models[0]
    assert back is not None
    assert back.latch == state.latch


def test_instant_of_an_erasure_comes_back_beside_the_models() -> None:
    history = History()
    accept(history, MODEL, "half", START)
    contact = contact_of(history)
    contact.erased_ms = START - 1
    back = decode_contact(encode_contact(contact, [MODEL], None), [MODEL], [Matcher(MODEL)])
    assert (back.erased_ms, back.others) == (START - 1, {})


WIDE = small_model(
    rule("linear", 1.1, decay={"linear": "730d"}, once_per="properties.key"),
    rule("linear", 0.1, decay={"expire": "730d"}, limit={"times": 1000, "within": "730d"}),
    rule("pool", 0.1, group="pool"),
    {"when": {"any": [{"type": "linear", "attributes.a0": "y"}, {"type": "pool", "attributes.a1": 1}]}, "points": 0.1},
    groups={"pool": {"drain": {"points": 0.1, "every": "1d"}}},
    qualify={
        "when": {"seen": {"rule": "rule 0", "times": 1000, "within": "730d"}},
        "include": [f"attributes.a{n}" for n in range(64)],
    },
    lateness="30d",
)


def test_no_contact_outgrows_the_bound_when_it_has_everything_at_once() -> None:
    """Attributes of 64 KiB in the base and as much in the window, lots, instants seen and adjustments: all of it is stored."""
    history = History()
    for n in range(1_500):
        accept(history, WIDE, "linear", START + n * DAY // 2 + 1, f"{n:0128}", key=n)
    end_ms = START + 750 * DAY
    for n in range(64):
        more = {"points": 0.1, "reason": "", "expires_at": end_ms + (900 + n) * DAY}
        accept(history, WIDE, "score.adjusted", end_ms, f"adjust {n}", **more)
    for round_number in range(2):
        for n in range(64):
            at_ms = end_ms + round_number * 40 * DAY + n + 1
            text = chr(0x10FFFF) * 255  # 1,022 bytes with its quotes
            accept(history, WIDE, "contact.updated", at_ms, f"{round_number} {n:0120}", **{f"a{n}": text})
    for n in range(300):
        accept(history, WIDE, "linear", end_ms + 40 * DAY + 100 + n, f"{n + 5_000:0128}", key=n)
    size = len(encode_contact(contact_of(history), [WIDE], None))
    assert 180_000 < size <= worst_case_bytes(WIDE)
