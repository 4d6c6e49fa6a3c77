"""What a score is must hold for every model that can be written and every history: laws over the whole language."""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import Any

from hypothesis import HealthCheck, given, settings

from tests.support.engine import TOPICS
from tests.support.frozen import frozen
from tests.support.full_engine import (
    StoredPartition,
    clock_record,
    model_of,
    options_for,
    records_of,
    rows_of,
)
from tests.support.generated_cases import Case, full_cases
from tests.support.generated_models import lateness_ms
from tests.support.shrunk_cases import tried_on_shrunk_cases
from worker.pipeline import Partition
from worker.scoring.codec import decode_contact, encode_contact, fire_of
from worker.scoring.explain import contributions, explain
from worker.scoring.inactivity import advance
from worker.scoring.matching import Matcher
from worker.scoring.model import Model
from worker.scoring.reading import group_values, read
from worker.scoring.state import Fold

Json = dict[str, Any]
SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
OF_THE_FOLD = ("contact_id", "unscored", "score", "shown", "tier", "groups")
CENT = 1e-6
ROUNDING = 1e-12


@SLOW
@given(full_cases(within_window=True))
@tried_on_shrunk_cases
def test_law_1_any_order_of_arrival_gives_the_same_fold(case: Case) -> None:
    """If this fails, a rebalance changes whom sales calls first."""
    if not case.is_within_window():
        return
    model = model_of(case.model)
    in_order, as_delivered = _kept(model, case.happened), _kept(model, case.arrived)
    assert as_delivered.folds() == in_order.folds()
    for look in case.looks:
        rows = [
            [repr({name: row[name] for name in OF_THE_FOLD}) for row in rows_of(one.contacts(), model, look)]
            for one in (in_order, as_delivered)
        ]
        assert rows[0] == rows[1]


def _kept(model: Model, events: list[Json]) -> StoredPartition:
    partition = StoredPartition([model], options_for())
    partition.take(records_of(events))
    return partition


@SLOW
@given(full_cases())
@tried_on_shrunk_cases
def test_law_3_advancing_in_parts_equals_advancing_at_once(case: Case) -> None:
    """If this fails, how often a score is looked at changes it."""
    model = model_of(case.model)
    for _, _, state in _kept(model, case.arrived).states():
        head = state.history.head(model)
        at_once, in_parts = head.copy(), head.copy()
        looks = [look for look in case.looks if look >= head.at_ms]
        for look in looks:
            advance(model, in_parts, look)
            direct = head.copy()
            advance(model, direct, look)
            assert frozen(read(model, in_parts, look)) == frozen(read(model, direct, look))
            assert frozen(read(model, in_parts, look)) == frozen(read(model, state.history.head_at(model, look), look))
        advance(model, at_once, looks[-1])
        assert frozen(in_parts) == frozen(at_once)


@SLOW
@given(full_cases())
@tried_on_shrunk_cases
def test_law_3_downtime_tells_what_uptime_would_have_told(case: Case) -> None:
    """If this fails, leads that cooled while we were down are never taken off the list."""
    model = model_of(case.model)
    records = records_of(case.arrived)
    records.append(clock_record(len(records), case.looks[-1] + lateness_ms(case.model)))
    up, down = (StoredPartition([model], options_for(publish_tiers=True)) for _ in range(2))
    for record in records:
        up.take([record])
        up.fire()
        down.take([record])
    down.fire()
    assert down.told() == up.told()
    assert down.folds() == up.folds()
    assert [frozen(state.latch) for _, _, state in down.states()] == [
        frozen(state.latch) for _, _, state in up.states()
    ]


@SLOW
@given(full_cases())
@tried_on_shrunk_cases
def test_law_4_what_is_explained_adds_up_to_the_score(case: Case) -> None:
    """If this fails, nobody believes the answer to "why 87?"."""
    model = model_of(case.model)
    partition = _kept(model, case.arrived)
    for look in case.looks:
        scores = {row["contact_id"].encode(): row["score"] for row in rows_of(partition.contacts(), model, look)}
        for key, _, state in partition.states():
            if state.history.newest_ms is None:
                continue  # nothing is known of it since it was erased
            fold = state.history.head_at(model, look)
            told = explain(model, fold, look)
            assert abs(sum(line.points for line in told.lines) - scores[key]) <= CENT
            for group in told.groups:
                assert abs(sum(line.points for line in group.lines) - group.value) <= CENT
            if (
                fold.is_scored
            ):  # clamps are what lacks: so the rest is added up once more, within the bounds of the file
                assert abs(_added_up(case.model, model, fold, look) - scores[key]) <= CENT


def _added_up(content: Json, model: Model, fold: Fold, at: int) -> float:
    """Return the sum of what is explained, group by group, within the bounds that the model's file sets."""
    group_of = {rule["rule"]: rule.get("group", "engagement") for rule in content["rules"]}
    sums: dict[str, float] = defaultdict(float)
    for line in contributions(model, fold, at):
        sums[group_of[line.rule] if line.rule in group_of else line.rule.partition(": ")[0]] += line.points
    total = 0.0
    for name in {"engagement", *content.get("groups", {}), *sums}:
        total += _clamped(sums[name], content.get("groups", {}).get(name, {}))
    return _clamped(total, {"floor": 0.0} | content.get("score", {}))


def _clamped(value: float, bounds: Json) -> float:
    floor, cap = float(bounds.get("floor", value)), float(bounds.get("cap", inf))
    return min(max(value, floor), cap)


@SLOW
@given(full_cases())
@tried_on_shrunk_cases
def test_law_5_decoding_and_encoding_a_stored_value_changes_no_byte(case: Case) -> None:
    """If this fails, a restart changes what is known of a contact."""
    model = model_of(case.model)
    partition = StoredPartition([model], options_for(publish_tiers=True))
    for some in case.rounds(records_of(case.arrived)):
        partition.take(some)
        for value in partition.values().values():
            decoded = decode_contact(value, [model], [Matcher(model)])
            assert encode_contact(decoded, [model], fire_of(value)) == value


@SLOW
@given(full_cases())
@tried_on_shrunk_cases
def test_law_6_a_good_act_never_lowers_and_a_bad_one_never_raises(case: Case) -> None:
    """If this fails, a customer who does more is worth less."""
    content = _without_bounds_and_resets(case.model)
    model = model_of(content)
    partition = Partition(topics=TOPICS, partition=0, partitions=1, models=[model], options=options_for(), row=None)
    for record, event in zip(records_of(case.happened), case.happened, strict=True):
        key, at = event["contact_id"].encode(), event["occurred_at"]
        before = _head(partition, model, key, at)
        partition.fold([record], lambda keys: [None] * len(keys))
        after = _head(partition, model, key, at)
        if before is None or after is None or event["type"].startswith(("sales.", "contact.")):
            continue
        points = [
            rule["points"]
            for index, rule in enumerate(content["rules"])
            if index in after.rules
            and after.rules[index].count != (before.rules[index].count if index in before.rules else 0)
        ]
        if event["type"] == "score.adjusted":
            points.append(event["properties"]["points"])
        moved = sum(group_values(model, after, at)) - sum(group_values(model, before, at))
        hair = ROUNDING * (1 + sum(map(abs, group_values(model, before, at))) + sum(map(abs, points)))
        if all(one >= 0 for one in points):
            assert moved >= -hair
        if all(one <= 0 for one in points):
            assert moved <= hair


def _head(partition: Partition, model: Model, key: bytes, at: int) -> Fold | None:
    """Return the head of a contact, advanced to *at*; None when it is not there, or already beyond."""
    contact = dict(partition.contacts()).get(key)
    state = None if contact is None else contact.models[0]
    if state is None:
        return Fold()
    head = state.history.head(model)
    if head.at_ms > at:
        return None
    head = head.copy()
    advance(model, head, at)
    return head


def _without_bounds_and_resets(content: Json) -> Json:
    """Return a model whose score is what its groups add up to, and none of whose rules takes away what another gave."""
    groups = {
        name: {key: value for key, value in group.items() if key not in {"floor", "cap"}}
        for name, group in content.get("groups", {}).items()
    }
    rules = [
        {key: value for key, value in rule.items() if key != "reset"} for rule in content["rules"] if "points" in rule
    ]
    return {key: value for key, value in content.items() if key not in {"score", "qualify", "tiers"}} | {
        "groups": groups,
        "rules": rules,
    }
