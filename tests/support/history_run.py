"""The acceptance scenario: a history through Kafka into two workers, killed or not, and everything they wrote beside a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.support.cluster import PARTITIONS, Cluster, running_cluster
from tests.support.comparing import Expected, as_file, check_rows, compare_told, differing_rows, listed
from tests.support.feeding import Feed
from tests.support.kafka import Sent, read_all
from tests.support.striking import Strike, carry_out
from worker.clock import monotonic
from worker.contracts.event_decoding import decode_event
from worker.contracts.instants import format_instant
from worker.contracts.partitioner import partition_of

WORKERS = ("east", "west")
_SAMPLED_ROWS = 500


@dataclass(kw_only=True)
class Figures:
    """What one run came to; everything from *lost* on must be 0, *repeated* only with exactly_once."""

    guarantee: str
    seed: int
    events: int
    kills: int
    wiped: int
    inside: list[str] = field(
        default_factory=list
    )  # steps of rounds at which workers died; the other kills came from outside
    restarts: int = 0  # asked for by workers themselves
    rebalances: int = 0  # assignments heard of, by all workers together
    transitions: int = 0
    score_rows: int = 0
    rows_checked: int = 0
    rows_in_ties: int = 0
    lost: int = 0
    doubled: int = 0
    repeated: int = 0
    unequal: int = 0
    misplaced: int = 0
    contacts_wrong: int = 0
    rows_wrong: int = 0
    seconds_fed: float = 0.0
    seconds: float = 0.0

    def as_document(self) -> dict[str, object]:
        """Return them by name."""
        return asdict(self)


@dataclass(frozen=True)
class Scenario:
    """
    What is run.

    Args:
        expected: The history, in order of time, and its replay.
        guarantee: exactly_once or at_least_once.
        strikes: Kills, in their order.
        rate: Events a second while there are kills to come.
        seed: Of the sample of score rows; that of the strikes, to be printed.
        within_s: What the workers may take for whatever is left when the last event is sent.
    """

    expected: Expected
    guarantee: str
    strikes: Sequence[Strike] = ()
    rate: float = 0.0
    seed: int = 0
    within_s: float = 90.0


def sent_records(lines: Sequence[bytes]) -> list[Sent]:
    """Return *lines* as records, each in the partition of its contact."""
    places: dict[str, tuple[int, bytes]] = {}
    records = []
    for line in lines:
        contact = decode_event(line, None).contact_id
        if contact not in places:
            places[contact] = partition_of(contact.encode(), PARTITIONS), contact.encode()
        partition, key = places[contact]
        records.append(Sent(partition, key, line))
    return records


def end_marks(at_ms: int) -> list[Sent]:
    """Return one event for each partition, at *at_ms*, that no model keeps: it only tells what time it is."""
    marks: dict[int, Sent] = {}
    number = 0
    while len(marks) < PARTITIONS:
        contact = f"end-of-history-{number}"
        partition = partition_of(contact.encode(), PARTITIONS)
        value = f'{{"id":"{contact}","contact_id":"{contact}","type":"email.delivered","occurred_at":"{format_instant(at_ms)}"}}'
        marks.setdefault(partition, Sent(partition, contact.encode(), value.encode()))
        number += 1
    return [marks[partition] for partition in range(PARTITIONS)]


async def run_history(brokers: str, directory: Path, scenario: Scenario) -> Figures:
    """
    Send the history and its end to two workers, strike, wait until all is done, and compare everything with a replay.

    Raises:
        AssertionError: Something differs; the text gives the figures and names the first of what differs.
    """
    began = monotonic()
    expected = scenario.expected
    figures = Figures(
        guarantee=scenario.guarantee,
        seed=scenario.seed,
        events=len(expected.lines),
        kills=len(scenario.strikes),
        wiped=sum(strike.is_wiped for strike in scenario.strikes),
    )
    async with running_cluster(brokers, directory, model=expected.source, guarantee=scenario.guarantee) as cluster:
        await _feed(cluster, scenario, figures)
        await cluster.settled(within_s=scenario.within_s)
        problems = await _compare(cluster, scenario, figures, directory / "dump")
        await cluster.stop()
        figures.seconds = round(monotonic() - began, 1)
    assert not problems, f"{figures.as_document()}\n" + "\n".join(problems)
    return figures


async def _feed(cluster: Cluster, scenario: Scenario, figures: Figures) -> None:
    expected = scenario.expected
    cluster.is_mortal = bool(scenario.strikes)
    for name in WORKERS:
        cluster.start(name)
    for name in WORKERS:
        await cluster.wait_ready(name, partitions=PARTITIONS // len(WORKERS))
    began = monotonic()
    records = sent_records(expected.lines) + end_marks(expected.end_ms + expected.model.lateness_ms)
    feed = Feed(cluster.brokers, cluster.source, records, rate=scenario.rate)
    async with feed.running():
        landed = await carry_out(scenario.strikes, cluster, feed)
    figures.inside = [one.step for one in landed if one.step]
    figures.seconds_fed = round(monotonic() - began, 1)


async def _compare(cluster: Cluster, scenario: Scenario, figures: Figures, folder: Path) -> list[str]:
    expected = scenario.expected
    dumped = await cluster.command("contact", "dump", "--as-of", "END", "--out", str(folder))
    problems = []
    if format_instant(expected.end_ms) not in dumped.err:
        problems.append(f"dumped as of another END than {format_instant(expected.end_ms)}: {dumped.err}")
    scores = (folder / "scores.csv").read_bytes()
    differing = differing_rows(expected.scores, scores)
    if scores != expected.scores:
        problems.append(f"scores.csv differs in {len(differing)} rows:\n{listed(differing)}")
    qualifications = await read_all(cluster.brokers, cluster.qualifications)
    told = compare_told(expected, qualifications)
    problems += [
        f"{len(found)} transitions {name}:\n{listed(found)}"
        for name in ("lost", "doubled", "unequal", "misplaced")
        if (found := getattr(told, name))
    ]
    if scenario.guarantee == "exactly_once" and as_file(qualifications) != expected.transitions:
        problems.append(f"transitions.jsonl differs, {told.repeated} repeated")
    rows = check_rows(
        expected, await read_all(cluster.brokers, cluster.scores), sample=_SAMPLED_ROWS, seed=scenario.seed
    )
    if rows.wrong:
        problems.append(f"{len(rows.wrong)} rows of {cluster.scores} are wrong:\n{listed(rows.wrong)}")
    figures.contacts_wrong, figures.rows_wrong = len(differing), len(rows.wrong)
    figures.score_rows, figures.rows_checked, figures.rows_in_ties = rows.records, rows.checked, rows.in_ties
    figures.transitions, figures.repeated = told.records, told.repeated
    figures.lost, figures.doubled, figures.unequal = len(told.lost), len(told.doubled), len(told.unequal)
    figures.misplaced = len(told.misplaced)
    figures.restarts = cluster.restarts
    figures.rebalances = cluster.count_logged("partitions_assigned")
    return problems
