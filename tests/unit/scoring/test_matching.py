from __future__ import annotations

import pytest

from tests.support.slots import slot_names
from tests.support.small import START, event, event_value, rule, small_model
from worker.contracts.event import Event
from worker.contracts.event_decoding import decode_event
from worker.scoring.matching import Matcher, Trace
from worker.scoring.model import Model
from worker.scoring.trace_codec import pack_trace, unpack_trace

IDLE = [{"after": "30d", "points": -1}]


def machine_event(event_type: str) -> Event:
    return decode_event(event_value(event_type, machine=True), None)


def parts(trace: Trace) -> list[object]:
    return [getattr(trace, name) for name in slot_names(trace)]


def match(model: Model, one: Event) -> Trace | None:
    return Matcher(model).match(one, one.occurred_at)


def matched(model: Model, one: Event) -> list[int]:
    trace = match(model, one)
    return [] if trace is None else [index for index, _ in trace.matches]


def test_rules_match_in_file_order_whether_or_not_they_name_the_type() -> None:
    model = small_model(rule("other", 1), {"when": {"type": {"starts_with": "a"}}, "points": 1}, rule("act", 1))
    assert matched(model, event("act")) == [1, 2]
    assert matched(model, event("away")) == [1]


@pytest.mark.parametrize(("machine", "human", "by_machine"), [(False, [0], []), (True, [], [0]), ("any", [0], [0])])
def test_rule_sees_events_of_whom_its_machine_key_says(
    machine: bool | str, human: list[int], by_machine: list[int]
) -> None:
    model = small_model(rule("act", 1, machine=machine))
    assert matched(model, event("act")) == human
    assert matched(model, machine_event("act")) == by_machine


def test_event_without_rule_leaves_no_trace_in_a_model_without_inactivity() -> None:
    assert match(small_model(rule("act", 1)), event("other")) is None


def test_event_without_rule_leaves_a_sign_of_life_where_idleness_counts() -> None:
    trace = match(small_model(rule("act", 1), inactivity=IDLE), event("other"))
    assert trace is not None
    assert (trace.is_life, trace.matches) == (True, ())


@pytest.mark.parametrize(
    "event_type", ["email.delivered", "email.bounced", "email.spam_reported", "email.unsubscribed"]
)
def test_mail_that_only_arrives_is_no_sign_of_life(event_type: str) -> None:
    assert match(small_model(rule("act", 1), inactivity=IDLE), event(event_type)) is None


def test_machine_is_no_sign_of_life() -> None:
    assert match(small_model(rule("act", 1), inactivity=IDLE), machine_event("other")) is None


def test_activity_types_alone_are_signs_of_life_when_listed() -> None:
    matcher = Matcher(small_model(rule("act", 1), inactivity=IDLE, activity={"types": ["page.viewed"]}))
    assert matcher.match(event("page.viewed"), START) is not None
    assert matcher.match(event("other"), START) is None


def test_activity_not_types_take_the_place_of_the_default_list() -> None:
    matcher = Matcher(small_model(rule("act", 1), inactivity=IDLE, activity={"not_types": ["page.viewed"]}))
    assert matcher.match(event("page.viewed"), START) is None
    assert matcher.match(event("email.delivered"), START) is not None


@pytest.mark.parametrize(
    "event_type", ["sales.accepted", "sales.rejected", "sales.recycled", "sales.won", "sales.lost"]
)
def test_reserved_event_always_leaves_a_trace_and_is_no_sign_of_life(event_type: str) -> None:
    trace = match(small_model(rule("act", 1), inactivity=IDLE), event(event_type))
    assert trace is not None
    assert (trace.feedback, trace.is_life) == (-1, False)


def test_feedback_meant_for_another_model_is_none_for_this_one() -> None:
    matcher = Matcher(small_model(rule("act", 1), feedback={"sales.lost": {"points": -5}}))
    traces = {name: matcher.match(event("sales.lost", model=name), START) for name in ("small", "another")}
    assert {name: trace and trace.feedback for name, trace in traces.items()} == {"small": 0, "another": -1}


def test_unreserved_type_of_sales_matches_like_any_other() -> None:
    model = small_model(rule("sales.called", 1), inactivity=IDLE)
    trace = match(model, event("sales.called"))
    assert trace is not None
    assert (trace.matches, trace.is_life) == (((0, None),), True)
    assert match(small_model(rule("act", 1)), event("sales.called")) is None


def test_trace_lowers_when_a_matched_rule_takes_points_or_sales_answered() -> None:
    matcher = Matcher(small_model(rule("up", 1), rule("down", -1), feedback={"sales.lost": {"points": 5}}))
    traces = {name: matcher.match(event(name), START) for name in ("up", "down", "sales.lost")}
    assert {name: trace and trace.lowers for name, trace in traces.items()} == {
        "up": False,
        "down": True,
        "sales.lost": True,
    }


@pytest.mark.parametrize(
    "one",
    [event("act"), event("key", a="x"), event("both"), event("sales.lost"), event("other"), event("sales.won")],
    ids=lambda one: one.type,
)
def test_trace_comes_back_as_it_was_stored(one: Event) -> None:
    """If this fails, a refold after a restart scores another history."""
    both = {"when": {"type": {"in": ["both", "sales.lost"]}}, "points": 1}
    model = small_model(
        rule("act", 1),
        rule("key", 2, once_per="properties.a"),
        both,
        both,
        inactivity=IDLE,
        feedback={"sales.lost": {"reset": ["engagement"]}},
    )
    for matcher in (Matcher(model), Matcher(model)):
        trace = matcher.match(one, START)
        assert trace is not None
        again = [unpack_trace(model, pack_trace(model, trace))]
        if trace.code >= 0:
            again.append(matcher.of_code(trace.code, trace.key))
        for back in again:
            assert parts(back) == parts(trace)


def test_events_alike_share_one_trace() -> None:
    """Memory: a busy contact's journal holds hundreds."""
    matcher = Matcher(small_model(rule("act", 1)))
    assert matcher.match(event("act", START), START) is matcher.match(event("act", START + 1), START)
