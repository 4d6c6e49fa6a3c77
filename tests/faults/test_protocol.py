"""Brokers that answer with errors, late, or not at all: each is retried, or ends the worker; none is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support.faults.choices import GUARANTEES, SEED
from tests.support.faults.load import Nuisances, draw_load
from tests.support.faults.nodes import answer_wrongly, caught_up, healed
from tests.support.faults.plan import carry_out, draw_plan
from tests.support.faults.run import FaultRun, run_faults
from tests.support.kafka import wait_until
from tests.support.protocol_errors import Mishap, ProtocolErrors

_REJOIN = Mishap("Heartbeat", codes=("REBALANCE_IN_PROGRESS",))
_PRODUCE = Mishap(
    "Produce", codes=("NOT_LEADER_OR_FOLLOWER", "REQUEST_TIMED_OUT", "NOT_ENOUGH_REPLICAS", "NOT_ENOUGH_REPLICAS_AFTER_APPEND"), times=8
)  # fmt: skip
_SHORT: Sequence[tuple[Mishap, ...]] = (
    (_PRODUCE,),
    (Mishap("Fetch", codes=("NOT_LEADER_OR_FOLLOWER", "UNKNOWN_TOPIC_OR_PARTITION"), times=4),),
    (Mishap("Heartbeat", codes=("NOT_COORDINATOR", "REBALANCE_IN_PROGRESS"), times=2),),
    (Mishap("JoinGroup", codes=("COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR"), times=2), _REJOIN),
    (Mishap("SyncGroup", codes=("REBALANCE_IN_PROGRESS", "NOT_COORDINATOR"), times=2), _REJOIN),
)
_OF_GUARANTEE = {
    "exactly_once": (
        (Mishap("TxnOffsetCommit", codes=("NOT_COORDINATOR", "COORDINATOR_LOAD_IN_PROGRESS"), times=4),),
        (Mishap("EndTxn", codes=("NOT_COORDINATOR", "COORDINATOR_LOAD_IN_PROGRESS"), times=4),),
    ),
    "at_least_once": (
        (Mishap("OffsetCommit", codes=("COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR"), times=4),),
        (Mishap("OffsetCommit", codes=("REBALANCE_IN_PROGRESS",)),),
    ),
}
_LONG: Sequence[tuple[Mishap, ...]] = (
    (Mishap("Produce", "disconnect", times=3),),
    (Mishap("Fetch", "disconnect", times=3),),
    (Mishap("Metadata", codes=("LEADER_NOT_AVAILABLE",), times=2), Mishap("Fetch", codes=("NOT_LEADER_OR_FOLLOWER",))),
    # No topics are known when partitions are handed out.
    (Mishap("Metadata", codes=("LEADER_NOT_AVAILABLE",), times=4), Mishap("Fetch", codes=("NOT_LEADER_OR_FOLLOWER",), times=2), _REJOIN),
    (Mishap("Heartbeat", codes=("ILLEGAL_GENERATION",)),),
    (Mishap("Heartbeat", codes=("UNKNOWN_MEMBER_ID",)),),
    (Mishap("Heartbeat", codes=("FENCED_INSTANCE_ID",)),),
    (Mishap("JoinGroup", codes=("UNKNOWN_MEMBER_ID",)), _REJOIN),
    (Mishap("SyncGroup", codes=("ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID"), times=2), _REJOIN),
    (Mishap("FindCoordinator", codes=("COORDINATOR_NOT_AVAILABLE",), times=2), Mishap("Heartbeat", codes=("NOT_COORDINATOR",))),
)  # fmt: skip
_LONG_OF_GUARANTEE = {
    "exactly_once": (
        (Mishap("AddPartitionsToTxn", codes=("COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR", "CONCURRENT_TRANSACTIONS"), times=6),),
        (Mishap("AddOffsetsToTxn", codes=("COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "CONCURRENT_TRANSACTIONS"), times=6),),
        (Mishap("InitProducerId", codes=("NOT_COORDINATOR", "CONCURRENT_TRANSACTIONS"), times=2), _REJOIN),
        (Mishap("TxnOffsetCommit", codes=("ILLEGAL_GENERATION",)),),
        (Mishap("TxnOffsetCommit", codes=("UNKNOWN_MEMBER_ID",)),),
        (Mishap("EndTxn", codes=("INVALID_PRODUCER_EPOCH",)),),
        (Mishap("EndTxn", "lose", times=2),),
        (Mishap("Produce", codes=("INVALID_PRODUCER_EPOCH",)),),
    ),
    "at_least_once": (
        (Mishap("OffsetCommit", codes=("ILLEGAL_GENERATION",)),),
        (Mishap("OffsetCommit", codes=("UNKNOWN_MEMBER_ID",)),),
        (Mishap("OffsetCommit", "lose", times=2),),
    ),
}  # fmt: skip


def _g05(
    brokers: str,
    tmp_path: Path,
    report: Report,
    guarantee: str,
    mishaps: Sequence[tuple[Mishap, ...]],
    *,
    events: int,
    is_static: bool = True,
) -> None:
    errors = ProtocolErrors(tmp_path / "errors.json")

    async def story(run: FaultRun) -> None:
        run.mend_with(healed(errors))
        await carry_out(run, draw_plan(SEED, [answer_wrongly(errors, *group) for group in mishaps]))

    run = run_faults(
        brokers,
        tmp_path,
        "G05",
        story,
        load=draw_load(SEED, events),
        guarantee=guarantee,
        is_mortal=True,
        is_static=is_static,
        hooks=errors.environ,
        rate=400.0,
    )
    report(asyncio.run(run).as_document())


@GUARANTEES
def test_g05_retriable_answers_are_retried(brokers: str, tmp_path: Path, report: Report, guarantee: str) -> None:
    """If this fails, a broker that moves a partition costs leads."""
    _g05(brokers, tmp_path, report, guarantee, (*_SHORT, *_OF_GUARANTEE[guarantee]), events=5_000)


@pytest.mark.faults
@pytest.mark.parametrize("is_static", [True, False], ids=["static", "dynamic"])
@GUARANTEES
def test_g05_every_answer_that_a_coordinator_may_give_is_survived(
    brokers: str, tmp_path: Path, report: Report, guarantee: str, is_static: bool
) -> None:
    """If this fails, an election of coordinators costs leads, or doubles them."""
    mishaps = (*_LONG, *_LONG_OF_GUARANTEE[guarantee], *_SHORT, *_OF_GUARANTEE[guarantee])
    _g05(brokers, tmp_path, report, guarantee, mishaps, events=10_000, is_static=is_static)


@pytest.mark.faults
@pytest.mark.parametrize("topics", ["changelog", "qualifications", "scores", ""])
@GUARANTEES
def test_b04_a_lost_acknowledgement_doubles_nothing(
    brokers: str, tmp_path: Path, report: Report, guarantee: str, topics: str
) -> None:
    """If this fails, a slow network tells sales the same thing under two names, or counts an event twice."""
    errors = ProtocolErrors(tmp_path / "errors.json")

    async def story(run: FaultRun) -> None:
        run.mend_with(healed(errors))
        cluster = run.cluster
        topic = {
            "changelog": cluster.settings.changelog_topic,
            "qualifications": cluster.qualifications,
            "scores": cluster.scores,
            "": "",
        }[topics]
        lost = Mishap("Produce", "lose", times=4, topic=topic)
        late = Mishap("Produce", "lose", times=2, topic=topic, seconds=1.0)
        delayed = Mishap("Produce", "delay", times=4, topic=topic, seconds=1.0)
        await carry_out(run, draw_plan(SEED, [answer_wrongly(errors, one) for one in (lost, late, delayed)]))

    run = run_faults(
        brokers,
        tmp_path,
        "B04",
        story,
        load=draw_load(SEED, 6_000),
        guarantee=guarantee,
        is_mortal=True,
        hooks=errors.environ,
    )
    figures = asyncio.run(run)
    report(figures.as_document() | {"topic": topics or "any"})
    if not figures.restarts:
        assert figures.outputs_repeated == 0, "the broker knows a batch that it has, so idempotence repeats none"


@pytest.mark.faults
@GUARANTEES
def test_q04_a_bad_event_is_not_done_before_its_dead_letter_is(
    brokers: str, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, a bad event is nowhere: not scored, and not where its producer looks for it."""
    errors = ProtocolErrors(tmp_path / "errors.json")

    async def story(run: FaultRun) -> None:
        run.mend_with(healed(errors))
        await run.sent(0.2)
        refused = Mishap("Produce", codes=("NOT_ENOUGH_REPLICAS",), times=100_000, topic=run.cluster.dead_letters)
        errors.push(refused)
        before = errors.done(refused)
        await wait_until(lambda: errors.done(refused) > before + 20, within_s=30, what="dead letters refused")
        first_bad = _first_bad_after(run)
        await run.sent(0.5)
        await asyncio.sleep(5.0)  # in which something could be committed
        for number, offset in (await run.cluster.committed()).items():
            assert offset <= first_bad[number], f"partition {number} is committed at {offset}, past {first_bad[number]}"
        run.figures.faults.append("dead letters refused")
        errors.heal()
        run.figures.more["resumed_s"] = round(await caught_up(run), 1)

    def _first_bad_after(run: FaultRun) -> dict[int, int]:
        """Return the first poison of each partition that has no dead letter yet: the first beyond what was applied."""
        applied, found = dict(run.watch.applied), dict.fromkeys(range(4), 1 << 62)
        for entry, place in zip(run.load.entries, run.feed.places, strict=False):
            if entry.example is not None and place.offset >= applied[place.partition]:
                found[place.partition] = min(found[place.partition], place.offset)
        return found

    run = run_faults(
        brokers,
        tmp_path,
        "Q04",
        story,
        load=draw_load(SEED, 6_000, nuisances=Nuisances(poison=0.01)),
        guarantee=guarantee,
        is_mortal=True,
        hooks=errors.environ,
    )
    report(asyncio.run(run).as_document())


@pytest.mark.faults
@GUARANTEES
def test_q05_an_output_topic_that_is_away_holds_the_input_back_and_costs_no_memory(
    brokers: str, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, a full disk of one broker ends every worker by memory, or loses what sales should hear."""
    errors = ProtocolErrors(tmp_path / "errors.json")

    async def story(run: FaultRun) -> None:
        run.mend_with(healed(errors))
        await run.sent(0.1)
        refused = Mishap("Produce", codes=("NOT_ENOUGH_REPLICAS",), times=100_000, topic=run.cluster.qualifications)
        errors.push(refused)
        await wait_until(lambda: errors.done(refused) > 20, within_s=30, what="outputs refused")
        before_mb = run.watch.rss_peak_mb
        run.feed.rate = 3_000.0
        await asyncio.sleep(30.0)  # the fault
        run.figures.faults.append("outputs refused 30 s")
        run.figures.more["rss_grew_mb"] = round(run.watch.rss_peak_mb - before_mb, 1)
        errors.heal()
        run.figures.more["resumed_s"] = round(await caught_up(run), 1)

    run = run_faults(
        brokers,
        tmp_path,
        "Q05",
        story,
        load=draw_load(SEED, 40_000, padding=1_000),
        guarantee=guarantee,
        is_mortal=True,
        hooks=errors.environ,
        rate=400.0,
    )
    figures = asyncio.run(run)
    report(figures.as_document())
    grew_mb = figures.more["rss_grew_mb"]
    assert isinstance(grew_mb, float)
    assert grew_mb < 150.0
