"""What sales hears, and what the books say, over every model that can be written: laws over the whole language."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.choices import Choices
from tests.support.engine import TOPICS, EngineRecord
from tests.support.frozen import frozen
from tests.support.full_engine import (
    StoredPartition,
    clock_record,
    model_of,
    options_for,
    read_history,
    records_of,
)
from tests.support.generated_cases import Case, full_cases
from tests.support.generated_events import delivered, full_happenings
from tests.support.generated_models import full_models, lateness_ms
from tests.support.shrunk_cases import tried_on_shrunk_cases
from worker.contracts.instants import parse_instant
from worker.pipeline import CacheBudget

Json = dict[str, Any]
SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
GRACE = 5_000
KINDS = ("lead.sales_ready", "lead.cooled", "lead.tier_changed")
OF_AN_ERASURE = {
    "id", "kind", "schema", "contact_id", "model", "version", "digest", "sequence", "cause", "at", "epoch",
}  # fmt: skip
OF_THE_PARTITION = ("dead_lettered", "forwarded", "replayed")
OF_A_MODEL = ("effective", "duplicate", "without_effect")
BAD_VALUES = (
    None, b"", b"{", b"[]", b"{}", b'{"id": 1}', b"[" * 40 + b"]" * 40, b'{"id": "\\ud800"}',
    b'{"id":"x","contact_id":"contact-1","type":"score.adjusted","occurred_at":1774648800000,"properties":{"reason":"r"}}',
    b'{"id":"x","contact_id":"contact-1","type":"score.adjusted","occurred_at":1774648800000,"properties":{"points":2000000,"reason":"r"}}',
)  # fmt: skip


# ---- law 2


@SLOW
@given(full_cases())
@tried_on_shrunk_cases
def test_law_2_rounds_and_restarts_change_nothing_in_stream_time(case: Case) -> None:
    """If this fails, a deployment at noon tells sales something else than one at night."""
    model = model_of(case.model)
    records = records_of(case.arrived)
    records.append(clock_record(len(records), case.looks[-1] + lateness_ms(case.model)))
    whole = StoredPartition([model], options_for(publish_tiers=True))
    whole.take(records)
    whole.fire()
    for restarts in (True, False):
        parts = StoredPartition([model], options_for(publish_tiers=True, budget=CacheBudget(0)))
        for some in case.rounds(records):
            parts.take(some)
            parts.fire()
            if restarts:
                parts.restart()
        _expect_the_same(parts, whole)


@SLOW
@given(full_cases(), st.booleans())
def test_law_2_rounds_and_restarts_change_nothing_by_the_wall_clock(case: Case, is_present: bool) -> None:
    """The clock is looked at between two records, or not at all while there is more to read."""
    model = model_of(case.model)
    records = records_of(case.arrived)
    whole = StoredPartition([model], options_for("wall", publish_tiers=True))
    whole.take(records)
    parts = StoredPartition([model], options_for("wall", publish_tiers=True, budget=CacheBudget(0)))
    for some in case.rounds(records):
        parts.take(some)
        handled = some[-1].offset + 1 if some else 0
        if is_present and some and handled < len(records):
            parts.advance_wall(records[handled].timestamp)
        parts.fire()
        parts.restart()
    for one in (whole, parts):
        one.advance_wall(case.looks[-1] + GRACE)
        one.fire()
    _expect_the_same(parts, whole)


def _expect_the_same(parts: StoredPartition, whole: StoredPartition) -> None:
    assert parts.told() == whole.told()
    assert parts.folds() == whole.folds()
    assert [frozen(state.latch) for _, _, state in parts.states()] == [
        frozen(state.latch) for _, _, state in whole.states()
    ]
    assert parts.stored() == whole.stored()


@SLOW
@given(full_cases(), st.integers(0, 30))
def test_law_2_records_that_come_again_after_a_restore_change_nothing(case: Case, again: int) -> None:
    """If this fails, a stale offset counts everybody's points twice."""
    model = model_of(case.model)
    records = records_of(case.arrived)
    partition = StoredPartition([model], options_for(publish_tiers=True))
    partition.take(records)
    told, stored = partition.told(), partition.stored()
    partition.forget_position()
    partition.take(records[again:])
    assert (partition.told(), partition.stored()) == (told, stored)


# ---- law 7


@st.composite
def _deliveries(draw: st.DrawFn) -> list[EngineRecord]:
    """Records of contacts of any partition, some of them no events, some without a key, some under a wrong one."""
    happened, choices = draw(full_happenings()), Choices(draw(st.binary(min_size=80, max_size=80)))
    arrived = [
        event | {"contact_id": f"contact-{choices.below(6)}"} if choices.chance(2) else event
        for event in delivered(happened, choices)
    ]
    values: list[tuple[bytes | None, bytes | None]] = []
    for record in records_of(arrived):
        values.append((None if choices.chance(5) else record.key, record.value))
        if choices.chance(4):
            values.append((choices.one((record.key, None, b"somebody else")), choices.one(BAD_VALUES)))
        if choices.chance(8):
            values.append((b"somebody else", record.value))
    return [EngineRecord(offset, 0, key, value) for offset, (key, value) in enumerate(values)]


@SLOW
@given(st.lists(full_models(max_rules=3), min_size=1, max_size=2), _deliveries(), st.integers(0, 40))
def test_law_7_every_record_has_one_fate_under_each_model(
    told: list[Json], records: list[EngineRecord], again: int
) -> None:
    """If this fails, events vanish, or count twice, and no figure says so."""
    models = [model_of(one | {"model": f"m{number}"}) for number, one in enumerate(told)]
    partition = StoredPartition(models, options_for(), partitions=2)
    partition.take(records)
    partition.forget_position()
    partition.take(records[again:])
    received = len(records) + len(records[again:])
    assert _sum(partition.counts, "received") == received
    shared = sum(_sum(partition.counts, what) for what in OF_THE_PARTITION)
    for model in models:
        assert received == shared + sum(partition.counts[what, model.name] for what in OF_A_MODEL)
    assert sum(one.topic == TOPICS.dlq for one in partition.outputs) == _sum(partition.counts, "dead_lettered")
    assert sum(one.topic == TOPICS.source for one in partition.outputs) == _sum(partition.counts, "forwarded")


def _sum(counts: Counter[tuple[str, str]], what: str) -> int:
    return sum(number for (counted, _), number in counts.items() if counted == what)


# ---- law 8


@SLOW
@given(full_cases())
@tried_on_shrunk_cases
def test_law_8_readiness_and_cooling_alternate_and_sequences_rise_by_one(case: Case) -> None:
    """If this fails, sales calls a lead twice, or drops one it was never told of."""
    told = read_history(model_of(case.model), case.arrived, case.looks, publish_tiers=True).told
    for story in _stories(told, "lead.sales_ready", "lead.cooled"):
        expected = [(("lead.sales_ready", "lead.cooled")[place % 2], place // 2 + 1) for place in range(len(story))]
        assert [(one["kind"], one["sequence"]) for one in story] == expected
        assert [one["at"] for one in story] == sorted(one["at"] for one in story)
    for story in _stories(told, "lead.tier_changed"):
        assert [one["sequence"] for one in story] == list(range(1, len(story) + 1))
        tiers = [next(iter(case.model["tiers"])), *(one["tier"] for one in story)]
        assert all(before != after for before, after in pairwise(tiers))
    assert len({one["id"] for one in told}) == len(told)


@SLOW
@given(full_cases())
@tried_on_shrunk_cases
def test_law_8_each_transition_knows_the_one_before(case: Case) -> None:
    """Sales reads one record alone: what it says of the past must be what was told then."""
    told = read_history(model_of(case.model), case.arrived, case.looks, publish_tiers=True).told
    lowest = next(iter(case.model.get("tiers", {})), None)
    for story in _stories(told, *KINDS):
        before: Json = {"score": 0.0, "tier": lowest}
        readies: list[int] = []
        for one in story:
            if one["cause"] == "contact.erased":
                assert set(one) == OF_AN_ERASURE
                continue
            if one["kind"] == "lead.sales_ready":
                readies.append(one["at"])
            assert (one["previous_score"], one.get("previous_tier")) == (before["score"], before.get("tier"))
            instants = [
                None if name not in one else parse_instant(one[name]) for name in ("first_ready_at", "last_ready_at")
            ]
            assert instants == [readies[0] if readies else None, readies[-1] if readies else None]
            sizes = [abs(reason["points"]) for reason in one["reasons"]]
            assert sizes == sorted(sizes, reverse=True)
            before = one


def _stories(told: list[Json], *kinds: str) -> list[list[Json]]:
    """Return what was told of each contact in each epoch, in the order told."""
    stories: dict[tuple[str, int], list[Json]] = defaultdict(list)
    for one in told:
        if one["kind"] in kinds:
            stories[one["contact_id"], one["epoch"]].append(one)
    return list(stories.values())


@SLOW
@given(full_cases(), st.integers(0, 20))
def test_law_8_holds_over_what_is_published_and_what_is_kept_back(case: Case, place: int) -> None:
    """If this fails, a new model's first day floods sales with old leads, or cools a lead that sales never had."""
    model = model_of(case.model)
    since = case.happened[place % len(case.happened)]["occurred_at"]
    everything = read_history(model, case.arrived, case.looks, publish_tiers=True)
    kept = read_history(model, case.arrived, case.looks, publish_tiers=True, emit_since=since)
    is_told = {
        (one["contact_id"], one["epoch"], one["sequence"]): one["at"] >= since
        for one in everything.told
        if one["kind"] == "lead.sales_ready"
    }
    expected = [
        one
        for one in everything.told
        if (
            is_told[one["contact_id"], one["epoch"], one["sequence"]]
            if one["kind"] == "lead.cooled"
            else one["at"] >= since
        )
    ]
    assert kept.told == expected
    assert kept.counts["kept_back"] == len(everything.told) - len(expected)
    assert [[repr(row) for row in rows] for rows in kept.rows] == [
        [repr(row) for row in rows] for rows in everything.rows
    ]
