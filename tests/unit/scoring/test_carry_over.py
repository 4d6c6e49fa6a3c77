"""What a contact had under one version of a model, under the next: by the names of rules, groups, tiers and answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, accept, rule
from worker.scoring.carry_over import Lineage
from worker.scoring.codec import decode_contact, encode_contact
from worker.scoring.contact import Contact, ModelState
from worker.scoring.history import History
from worker.scoring.latch import Latch, Status
from worker.scoring.matching import Matcher
from worker.scoring.model import Model
from worker.scoring.model_file import parse_model
from worker.scoring.reading import read

NOON = START + 12 * HOUR
Happened = tuple[str, int] | tuple[str, int, dict[str, Any]]


def version(number: int, rules: dict[str, dict[str, Any]], **parts: Any) -> Model:
    """Return a version of one model; *rules* by name."""
    named = [{"rule": name, **one} for name, one in rules.items()]
    return parse_model(json.dumps({"model": "m", "version": number, "rules": named, **parts}))


ALONG = {"along": rule("along", 0)}
"""A rule that moves a contact on in time, and is worth nothing."""


def carried(old: Model, new: Model, *happened: Happened, latch: Latch | None = None) -> ModelState:
    """Store a contact under *old*, and read it under *new*."""
    state = ModelState()
    for number, (event_type, at_ms, *properties) in enumerate(happened):
        accept(state.history, old, event_type, at_ms, f"e{number}", **(properties[0] if properties else {}))
    state.latch = latch or Latch()
    contact = Contact(1)
    contact.models[0] = state
    value = encode_contact(contact, [old], None)
    read_back = decode_contact(value, [new], [Matcher(new)], Lineage([old]))
    assert read_back.carried == (0,)
    found = read_back.models[0]
    assert found is not None
    return found


def groups(model: Model, history: History, at_ms: int) -> dict[str, float]:
    fold = history.head_at(model, at_ms)
    return dict(zip([group.name for group in model.groups], read(model, fold, at_ms).groups, strict=True))


def in_base(*types: str) -> list[Happened]:
    """Events of NOON, then something ten days later, and ten days after that: the first are in the base, which is ten days old."""
    return [*((name, NOON) for name in types), ("along", NOON + 10 * DAY), ("along", NOON + 20 * DAY)]


BASE_MS = NOON + 10 * DAY


def test_points_follow_the_name_of_their_rule_whatever_its_place() -> None:
    old = version(1, {"a": rule("a", 1), "b": rule("b", 20), **ALONG})
    new = version(2, {"new": rule("x", 5), "b": rule("b", 20), **ALONG, "a": rule("a", 1)})
    history = carried(old, new, *in_base("a", "b", "b"), ("b", NOON + 19 * DAY)).history
    fold = history.head(new)
    assert {new.rules[index].name: (one.value, one.count) for index, one in fold.rules.items()} == {
        "b": (60.0, 3), "along": (0.0, 2), "a": (1.0, 1),
    }  # fmt: skip
    assert list(fold.rules) == sorted(fold.rules)


def test_rules_that_are_gone_are_dropped_and_new_ones_start_empty() -> None:
    """Also for what is still in the journal: only rules that matched then can match again."""
    old = version(1, {"a": rule("a", 1), "b": rule("b", 20), **ALONG})
    new = version(2, {"b too": rule("b", 500), "a": rule("a", 1), **ALONG})
    history = carried(old, new, *in_base("a", "b"), ("b", NOON + 19 * DAY)).history
    assert groups(new, history, NOON + 20 * DAY) == {"engagement": 1.0}
    assert history.head(new).is_scored


def test_journal_is_folded_again_as_the_new_version_says_and_the_base_stays() -> None:
    old = version(1, {"a": rule("a", 1), **ALONG})
    new = version(2, {"a": rule("a", 3, limit={"times": 1, "within": "1d"}), **ALONG})
    history = carried(old, new, *in_base("a"), ("a", NOON + 19 * DAY), ("a", NOON + 19 * DAY + 1)).history
    assert groups(new, history, NOON + 20 * DAY) == {"engagement": 4.0}


def test_group_of_a_rule_may_change_and_group_points_follow_the_name_of_the_group() -> None:
    by_hand = {"points": 7, "reason": "", "group": "side"}
    ends = by_hand | {"points": 2, "expires_at": NOON + 900 * DAY}
    old = version(1, {"a": rule("a", 1, group="side"), **ALONG}, groups={"gone": {}, "side": {}})
    new = version(2, {"a": rule("a", 1, group="moved"), **ALONG}, groups={"side": {}, "moved": {}})
    state = carried(
        old, new, ("a", NOON), ("score.adjusted", NOON, by_hand), ("score.adjusted", NOON, ends), *in_base()
    )
    assert groups(new, state.history, NOON + 20 * DAY) == {"engagement": 0.0, "side": 9.0, "moved": 1.0}
    lost = carried(new, version(3, {"a": rule("a", 1), **ALONG}), ("score.adjusted", NOON, ends), *in_base("a"))
    assert groups(version(3, {"a": rule("a", 1), **ALONG}), lost.history, NOON + 20 * DAY) == {"engagement": 1.0}


HALF: dict[str, Any] = {"decay": {"half_life": "10d"}}
PERCENT: dict[str, Any] = {"decay": {"percent": {"rate": "50%", "every": "5d"}}}
LINEAR: dict[str, Any] = {"decay": {"linear": "40d"}}
EXPIRE: dict[str, Any] = {"decay": {"expire": "30d"}}
NONE: dict[str, Any] = {}
FORMS = {"half": HALF, "percent": PERCENT, "linear": LINEAR, "expire": EXPIRE, "none": NONE}
# 80 points at noon of day 0, ten and twenty days later; steps of 5 d since 2001 fall on days 4, 9, 14 and 19.
UNCHANGED = {
    "half": (40.0, 20.0),
    "percent": (20.0, 5.0),
    "linear": (60.0, 40.0),
    "expire": (80.0, 80.0),
    "none": (80.0, 80.0),
}
LEFT_AFTER_TEN_DAYS = {"half": 0.5, "percent": 0.25, "linear": 0.75, "expire": 1.0, "none": 1.0}
DATED = {"linear", "expire"}


@pytest.mark.parametrize("before", list(FORMS))
@pytest.mark.parametrize("after", list(FORMS))
def test_points_do_not_jump_when_their_decay_changes_and_fade_on_as_the_new_form_says(before: str, after: str) -> None:
    if (
        before == after or {before, after} == DATED
    ):  # lots keep their dates: it is as if it had always been the new form
        at_base, later = UNCHANGED[after]
    else:
        at_base, _ = UNCHANGED[before]
        later = at_base * LEFT_AFTER_TEN_DAYS[after]
    old = version(1, {"a": rule("a", 80, **FORMS[before]), **ALONG})
    new = version(2, {"a": rule("a", 80, **FORMS[after]), **ALONG})
    fold = carried(old, new, *in_base("a")).history.base
    assert fold is not None
    assert fold.at_ms == BASE_MS
    assert read(new, fold, BASE_MS).score == pytest.approx(at_base, rel=1e-12)
    assert read(new, fold, BASE_MS + 10 * DAY).score == pytest.approx(later, rel=1e-12)


def test_lots_move_to_the_buckets_of_the_new_span() -> None:
    old = version(1, {"a": rule("a", 12, decay={"linear": "2d"}), **ALONG}, lateness="1h")  # buckets of two hours
    new = version(2, {"a": rule("a", 12, decay={"linear": "24d"}), **ALONG}, lateness="1h")
    history = carried(
        old, new, ("a", NOON), ("a", NOON + 2 * HOUR), ("along", NOON + DAY), ("along", NOON + 2 * DAY)
    ).history
    assert history.base is not None
    assert history.base.rules[0].lots == {START: 24.0}


POOL = {"groups": {"g": {"drain": {"points": 1, "every": "1d"}}}}
GROUP: dict[str, Any] = {"groups": {"g": {}}}


def test_points_of_a_group_that_becomes_a_pool_join_it_as_they_stand() -> None:
    """40 of 80 are left, 7 by hand for good and 5 until later; from there on they drain, one a day."""
    by_hand = {"points": 7, "reason": "", "group": "g"}
    ends = by_hand | {"points": 5, "expires_at": NOON + 900 * DAY}
    ended = by_hand | {"points": 1_000, "expires_at": NOON + DAY}
    old = version(1, {"a": rule("a", 80, group="g", **HALF), **ALONG}, **GROUP)
    new = version(2, {"a": rule("a", 80, group="g"), **ALONG}, **POOL)
    adjusted: list[Happened] = [("score.adjusted", NOON, one) for one in (by_hand, ends, ended)]
    history = carried(old, new, *adjusted, *in_base("a")).history
    base = history.base
    assert base is not None
    assert base.pools[1].value == pytest.approx(52.0, rel=1e-12)
    assert (base.pools[1].reference_ms, base.adjustments, base.extras.get(1)) == (BASE_MS, (), None)
    assert (base.rules[0].value, base.rules[0].count) == (0.0, 1)
    assert groups(new, history, NOON + 20 * DAY)["g"] == pytest.approx(42.0, rel=1e-12)


@pytest.mark.parametrize(("points", "left"), [(80, 70.0), (-80, -70.0), (3, 0.0)])
def test_what_is_left_of_a_pool_that_is_none_any_more_are_points_by_hand(points: float, left: float) -> None:
    old = version(1, {"a": rule("a", points, group="g"), **ALONG}, **POOL, score={"floor": -100})
    new = version(2, {"a": rule("a", points, group="g"), **ALONG}, **GROUP, score={"floor": -100})
    history = carried(old, new, *in_base("a")).history
    assert history.base is not None
    assert history.base.pools == {}
    assert groups(new, history, NOON + 90 * DAY)["g"] == left


def test_pool_stays_a_pool_whatever_its_steps() -> None:
    old = version(1, {"a": rule("a", 80, group="g"), **ALONG}, **POOL)
    new = version(2, {"a": rule("a", 80, group="g"), **ALONG}, groups={"g": {"drain": {"points": 2, "every": "1d"}}})
    history = carried(old, new, *in_base("a")).history
    assert history.base is not None
    assert history.base.pools[1].value == 80.0
    assert groups(new, history, NOON + 20 * DAY)["g"] == 40.0


@pytest.mark.parametrize(
    ("before", "after", "award"),
    [
        ({"times": 1, "within": "30d"}, {"times": 1, "within": "30d"}, False),
        ({"times": 1, "within": "30d"}, {"times": 2, "within": "30d"}, True),
        ({"times": 1, "within": "30d"}, {"times": 1, "within": "20d"}, True),
        ({"times": 1, "within": "30d"}, {"times": 1, "per": "month"}, True),  # the kinds remember different things
        ({"times": 1, "per": "month"}, {"times": 1, "per": "month"}, False),
        ({"times": 1, "per": "month"}, {"times": 1, "per": "week"}, True),
        ({"times": 1, "per": "month"}, {"times": 1, "within": "30d"}, True),
        ({"times": 1, "per": "month"}, None, True),
    ],
)
def test_memory_of_a_limit_stays_where_it_means_the_same(
    before: dict[str, Any], after: dict[str, Any] | None, award: bool
) -> None:
    old = version(1, {"a": rule("a", 1, limit=before), **ALONG})
    new = version(2, {"a": rule("a", 1, **({} if after is None else {"limit": after})), **ALONG})
    history = carried(old, new, *in_base("a")).history
    assert accept(history, new, "a", NOON + 20 * DAY + 1).gained is award


def test_memory_of_a_civil_limit_does_not_stay_in_another_time_zone() -> None:
    limit = {"times": 1, "per": "month"}
    old = version(1, {"a": rule("a", 1, limit=limit), **ALONG})
    new = version(2, {"a": rule("a", 1, limit=limit), **ALONG}, time_zone="Europe/Berlin")
    history = carried(old, new, *in_base("a")).history
    assert accept(history, new, "a", NOON + 20 * DAY + 1).gained


def test_once_keys_stay() -> None:
    once = {"once_per": "properties.k"}
    old = version(1, {"a": rule("a", 1, **once), **ALONG})
    new = version(2, {"b": rule("b", 1), "a": rule("a", 2, **once), **ALONG})
    state = carried(old, new, ("a", NOON, {"k": "x"}), *in_base(), ("a", NOON + 19 * DAY, {"k": "y"}))
    assert [accept(state.history, new, "a", NOON + 20 * DAY + n, k=k).gained for n, k in enumerate("xyz")] == [
        False, False, True,
    ]  # fmt: skip


def test_instants_of_awards_seen_stay_where_the_new_version_asks_for_them() -> None:
    def asks(number: int, **seen: Any) -> Model:
        return version(number, {"a": rule("a", 1), **ALONG}, qualify={"when": {"seen": {"rule": "a", **seen}}})

    for new, kept in ((asks(2, within="40d"), [NOON]), (asks(2), None)):
        base = carried(asks(1, within="30d"), new, *in_base("a")).history.base
        assert base is not None
        assert base.rules[0].seen == kept


def test_latch_stays_and_tiers_follow_their_names() -> None:
    latch = Latch(Status.READY, 4, START, NOON, NOON, NOON, 90.0, told_tier=2, tier=1, tier_changes=9)
    old = version(1, {"a": rule("a", 1)}, tiers={"cold": 0, "warm": 25, "hot": 50})
    new = version(2, {"a": rule("a", 1)}, tiers={"ice": -5, "cold": 0, "hot": 10}, score={"floor": -9})
    found = carried(old, new, ("a", NOON), latch=latch).latch
    assert (found.status, found.sequence, found.epoch, found.told_score) == (Status.READY, 4, START, 90.0)
    assert (found.told_tier, found.tier, found.tier_changes) == (2, 0, 9)  # hot is hot; warm is gone: the lowest


def test_answers_of_sales_in_the_journal_follow_their_type() -> None:
    old = version(1, {"a": rule("a", 1)}, feedback={"sales.lost": {"points": -1}, "sales.rejected": {"points": -10}})
    new = version(2, {"a": rule("a", 1)}, feedback={"sales.rejected": {"points": 30}})
    happened: list[Happened] = [("a", NOON), ("sales.lost", NOON), ("sales.rejected", NOON + 1)]
    assert groups(new, carried(old, new, *happened).history, NOON + 1) == {"engagement": 31.0}


def mixed(points: float = 5, value: object = "x") -> dict[str, Any]:
    return {"when": {"type": "a", "attributes.k": value}, "points": points}


def test_what_a_condition_left_open_stays_open_while_the_condition_is_the_same() -> None:
    old = version(1, {"b": rule("a", 1), "open": mixed()})
    new = version(2, {"open": mixed(7), "b": rule("a", 1)})
    history = carried(old, new, ("a", NOON)).history
    assert groups(new, history, NOON) == {"engagement": 1.0}
    accept(history, new, "contact.updated", NOON - 1, k="x")
    assert groups(new, history, NOON) == {"engagement": 8.0}


def test_event_that_could_match_counts_where_the_condition_is_another_one_now() -> None:
    old = version(1, {"open": mixed()})
    new = version(2, {"open": mixed(7, "y")})
    assert groups(new, carried(old, new, ("a", NOON)).history, NOON) == {"engagement": 7.0}


def test_attributes_that_the_new_version_does_not_name_are_dropped_with_their_room() -> None:
    old = version(1, {"open": mixed(), "fit": {"when": {"attributes.z": 1}, "points": 1}})
    new = version(2, {"open": mixed(), "fit": {"when": {"attributes.new": 1}, "points": 1}})
    update: dict[str, Any] = {"k": "x" * 500, "z": "z" * 500}
    state = carried(old, new, ("contact.updated", START - 20 * DAY, update), ("contact.updated", NOON, update))
    assert state.history.base is not None
    assert state.history.base.attributes == {"k": "x" * 500}
    assert list(state.history.base.attribute_dates) == ["k"]
    (trace,) = state.history.traces
    assert trace.update is not None
    assert (trace.update.values, trace.update.size_bytes) == ({"k": "x" * 500}, 502)


def test_fit_rule_that_becomes_a_rule_on_events_starts_empty_and_the_other_way_round() -> None:
    fit: dict[str, Any] = {"when": {"attributes.k": 1}, "points": 20}
    old = version(1, {"one": fit, "two": rule("a", 3), **ALONG})
    new = version(2, {"one": rule("a", 3), "two": {"when": {"attributes.k": 1}, "points": 50}, **ALONG})
    state = carried(old, new, ("contact.updated", NOON, {"k": 1}), *in_base("a"))
    assert groups(new, state.history, NOON + 20 * DAY) == {"engagement": 50.0}


def test_next_step_of_idleness_is_that_of_the_new_version() -> None:
    old = version(1, {"a": rule("a", 1), **ALONG}, inactivity=[{"after": "300d", "points": -1}])
    new = version(2, {"a": rule("a", 1), **ALONG}, inactivity=[{"after": "200d", "points": -1}])
    base = carried(old, new, *in_base("a")).history.base
    assert base is not None
    assert base.next_step_ms == BASE_MS + 200 * DAY


def test_version_that_is_not_older_is_not_known() -> None:
    first, second = version(1, {"a": rule("a", 1)}), version(2, {"a": rule("a", 1)})
    lineage = Lineage([first, second])
    assert lineage.find(second, 1) is not None
    assert lineage.find(second, 2) is None
    assert lineage.find(first, 2) is None


def turned(decay: Any, points: float) -> tuple[Model, History]:
    """A rule that gave 60 on day 0, and gives *points* below 0 under the next version, on day 20."""
    old = version(1, {"a": rule("a", 60, decay=decay), **ALONG}, score={"floor": -1000})
    new = version(
        2,
        {"a": rule("a", points, decay=decay), **ALONG},
        score={"floor": -1000},
        qualify={"when": {"score": {"at_least": -20}}},
    )
    history = carried(old, new, ("a", START), ("along", START + 5 * DAY), ("along", START + 20 * DAY)).history
    accept(history, new, "a", START + 20 * DAY + 1)
    return new, history


@pytest.mark.parametrize("decay", [{"linear": "24d"}, {"expire": "24d"}, {"half_life": "24d"}, "none"])
def test_rule_whose_points_turn_bad_starts_empty(decay: Any) -> None:
    """Praise that a rule gave once must not stay behind under a name that now stands for blame."""
    model, history = turned(decay, -60)
    assert groups(model, history, START + 20 * DAY + 1)["engagement"] == pytest.approx(-60.0)
