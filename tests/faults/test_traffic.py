"""Traffic as producers send it on a bad day: repeats, poison, one contact that is everybody, a backlog."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.conftest import Report
from tests.support.faults.checks import Evidence
from tests.support.faults.choices import GUARANTEES, SEED, STORES, StoreNamed
from tests.support.faults.load import EVERYTHING, Load, Nuisances, draw_load
from tests.support.faults.plan import carry_out, draw_plan, kill
from tests.support.faults.run import FaultRun, run_faults

ONE_GUARANTEE = pytest.mark.parametrize(
    "guarantee", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.faults)]
)
_REPEATS = 1_000


def with_a_storm(load: Load) -> Load:
    """Return *load* with one event of its hot contact sent a thousand times more, amid the rest."""
    entries = list(load.entries)
    middle = len(entries) // 2
    at = next(
        n for n in range(middle, len(entries)) if entries[n].sort == "event" and entries[n].contact.endswith("-0")
    )
    again = entries[at]._replace(sort="repeat")
    stormy = [one for entry in entries[at + 1 : at + 1 + _REPEATS // 2] for one in (entry, again, again)]
    return Load(load.seed, [*entries[: at + 1], *stormy, *entries[at + 1 + _REPEATS // 2 :]], load.partitions)


@pytest.mark.faults
@GUARANTEES
@STORES
def test_q01_an_event_sent_a_thousand_times_counts_once_across_restarts(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, a webhook that is tried again makes a lead ready."""

    async def story(run: FaultRun) -> None:
        await carry_out(run, draw_plan(SEED, [kill("east"), kill("west"), kill("east", wipe=True)]))

    load = with_a_storm(draw_load(SEED, 6_000, nuisances=Nuisances(repeats=0.3, late=0.03)))
    run = run_faults(
        brokers, tmp_path, "Q01", story, load=load, guarantee=guarantee, store=store_named(store), rate=900
    )
    report(asyncio.run(run).as_document())


@ONE_GUARANTEE
@STORES
def test_q02_each_malformed_kind_is_dead_lettered_whole_and_its_neighbours_are_exact(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, one broken producer loses other people's leads, or its own beyond repair."""
    load = draw_load(SEED, 8_000, nuisances=EVERYTHING)
    assert len({entry.example.name for entry in load.entries if entry.example}) > 20

    async def story(run: FaultRun) -> None:
        await carry_out(run, draw_plan(SEED, [kill("west")]))

    async def codes_are_right(_: FaultRun, evidence: Evidence) -> list[str]:
        first = {
            (number, dict(one.headers)["__connect.errors.offset"]): dict(one.headers)["leadscore.error.code"].decode()
            for number, records in evidence.dead_letters.items()
            for one in records
        }
        found, wanted = Counter(first.values()), load.poison()
        return [] if found == wanted else [f"dead letters by code: {found}, sent {wanted}"]

    run = run_faults(
        brokers,
        tmp_path,
        "Q02",
        story,
        load=load,
        guarantee=guarantee,
        store=store_named(store),
        rate=1_000,
        more_checks=codes_are_right,
    )
    report(asyncio.run(run).as_document())


@pytest.mark.faults
@GUARANTEES
@STORES
def test_q06_a_contact_that_is_nine_tenths_of_all_is_exact_and_its_partition_alone_lags(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, one robot stops the scoring of everybody else."""
    load = draw_load(SEED, 12_000, hot=0.9, nuisances=Nuisances(repeats=0.02, late=0.01, future=0, noise=0))

    async def story(run: FaultRun) -> None:
        await run.sent(1.0)

    async def metrics_are_right(run: FaultRun, evidence: Evidence) -> list[str]:
        worker = run.cluster.workers["only"]
        page = (await run.cluster.page(worker, "/metrics")).decode()
        lag, received = (
            _by_partition(page, "leadscore_lag_records"),
            _by_partition(page, "leadscore_events_received_total"),
        )
        stored = {str(number): len(records) for number, records in evidence.source.items()}
        problems = [f"lag at rest: {lag}"] if set(lag.values()) != {0} else []
        return problems + ([] if received == stored else [f"received {received}, stored {stored}"])

    run = run_faults(
        brokers,
        tmp_path,
        "Q06",
        story,
        load=load,
        guarantee=guarantee,
        store=store_named(store),
        workers=("only",),
        rate=0,
        more_checks=metrics_are_right,
    )
    report(asyncio.run(run).as_document())


def _by_partition(page: str, name: str) -> dict[str, int]:
    return {
        sample.labels["partition"]: int(sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name
    }


@pytest.mark.faults
@pytest.mark.timeout(300)
@GUARANTEES
@STORES
def test_q07_a_backlog_is_caught_up_with_in_bounded_memory(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, the first campaign after a weekend of downtime ends in an out-of-memory kill."""
    load = draw_load(SEED, 80_000, contacts=5_000, padding=400)

    async def story(run: FaultRun) -> None:
        await run.sent(1.0)  # nobody works yet
        run.start("only")
        await run.cluster.wait_ready("only")
        run.figures.faults.append(f"backlog of {len(load.entries)}")

    async def stays_ready(run: FaultRun, _: Evidence) -> list[str]:
        steps = run.watch.steps
        ready = await run.cluster.page(run.cluster.workers["only"], "/readyz")
        run.figures.more["caught_up_events_s"] = round(len(load.entries) / max(0.001, steps[-1].at - steps[0].at))
        return [] if ready == b"ok\n" else [f"not ready after the backlog: {ready!r}"]

    run = run_faults(
        brokers,
        tmp_path,
        "Q07",
        story,
        load=load,
        guarantee=guarantee,
        store=store_named(store),
        workers=(),
        rate=0,
        rest_within_s=120,
        more_checks=stays_ready,
    )
    report(asyncio.run(run).as_document())
