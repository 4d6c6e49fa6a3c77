"""The oracles of the fault runs agree with each other, and each check turns red on what it is there for; no broker here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from tests.faults.table import table
from tests.support.cluster import PARTITIONS
from tests.support.faults.checks import (
    Evidence,
    check_books,
    check_broker,
    check_canaries,
    check_commits,
    check_logs,
    check_outputs,
    check_state,
    check_weight,
    count_losses,
)
from tests.support.faults.figures import Figures
from tests.support.faults.load import CANARY, Load, Nuisances, draw_load
from tests.support.faults.plan import draw_plan, kill
from tests.support.faults.points import closed_form, tally, write_model
from tests.support.faults.recount import recount
from tests.support.faults.watch import Watch, books
from tests.support.feeding import NOWHERE, Feed
from tests.support.kafka import Place
from worker.contracts.headers import Headers
from worker.contracts.instants import MAX_INSTANT_MS
from worker.pipeline.round import Output
from worker.scoring.model_file import load_model
from worker.settings import load_settings

Record: TypeAlias = ConsumerRecord[bytes, bytes]
Topic: TypeAlias = dict[int, Sequence[Record]]
NOW = 1_800_000_000_000


def record(
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: Headers = (),
) -> Record:
    return ConsumerRecord(topic, partition, offset, NOW, 1, key, value, None, 0, 0, tuple(headers))


def stored(load: Load) -> tuple[Topic, list[Place]]:
    """Return the topic as a broker that takes everything would have it, and where each record went."""
    topic: dict[int, list[Record]] = {number: [] for number in range(PARTITIONS)}
    places = []
    for sent in load.records:
        its = topic[sent.partition]
        places.append(Place(sent.partition, len(its)))
        its.append(record("in", sent.partition, len(its), sent.key, sent.value, sent.headers))
    return dict(topic), places


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """A run in which everything went as it should, as the recount itself has it."""
    model_file = str(write_model(tmp_path_factory.mktemp("model")))
    settings = load_settings(
        {
            "LEADSCORE_BROKERS": "localhost:9",
            "LEADSCORE_MODELS": model_file,
            "LEADSCORE_INPUT_TOPIC": "in",
            "LEADSCORE_ERASURE_KEY": "0123456789abcdef0123456789abcdef",
        }
    )
    load = draw_load(7, 4_000, contacts=60, nuisances=Nuisances(poison=0.02), now=NOW)
    source, places = stored(load)
    feed = Feed("localhost:9", "in", load.records)
    feed.places = places
    counted = recount(settings, load_model(model_file), source, MAX_INSTANT_MS)
    scores: list[Record] = []
    for offset, line in enumerate(counted.scores.values()):
        value = orjson.dumps({"models": {"whole-points": {"score": line.shown, "groups": line.groups}}})
        scores.append(record("scores", 0, offset, line.contact_id.encode(), value))
    return Evidence(
        load=load,
        feed=feed,
        is_exact=True,
        source=source,
        changelog={number: [] for number in range(PARTITIONS)},
        qualifications=as_topic(counted.transitions),
        scores={0: scores},
        dead_letters=as_topic(counted.dead_letters),
        values={},
        found=counted.scores,
        recounted=counted,
    )


def as_topic(outputs: Mapping[int, Sequence[Output]]) -> Topic:
    return {
        number: [record(one.topic, number, at, one.key, one.value, one.headers) for at, one in enumerate(its)]
        for number, its in outputs.items()
    }


def watch_of(evidence: Evidence) -> Watch:
    return Watch(cluster=None, feed=evidence.feed)  # type: ignore[arg-type]  # nobody is looked at here


# ---- the oracles


@pytest.mark.parametrize("count", range(64))
def test_the_closed_form_is_what_going_through_the_events_comes_to(count: int) -> None:
    assert closed_form(count) == tally(range(count))


def test_a_lead_of_seventeen_events_was_ready_cooled_and_rides_its_second_wave() -> None:
    found = closed_form(17)
    assert (found.events, found.waves, found.forms, found.score) == (17, 70, 9, 96)
    assert [(one.kind, one.sequence, one.number) for one in found.told] == [
        ("lead.sales_ready", 1, 7),
        ("lead.cooled", 1, 9),
    ]
    assert [one.score for one in found.told] == [8 + 80 + 6, 10 + 0 + 6]


def test_the_sums_of_the_load_are_what_the_pure_pipeline_makes_of_the_stored_topic(evidence: Evidence) -> None:
    assert check_state(evidence) == []
    assert count_losses(evidence) == (0, 0)
    assert evidence.recounted.counts["duplicate", "whole-points"] > 50
    assert evidence.recounted.counts["late", "whole-points"] > 50
    assert evidence.recounted.counts["clamped", ""] > 10


def test_a_seed_draws_its_load_and_its_plan() -> None:
    assert draw_load(3, 500, now=NOW).records == draw_load(3, 500, now=NOW).records
    assert draw_load(3, 500, now=NOW).records != draw_load(4, 500, now=NOW).records
    faults = [kill("a"), kill("b")]
    assert [one.after for one in draw_plan(3, faults)] == [one.after for one in draw_plan(3, faults)]


def test_each_contact_carries_the_canary(evidence: Evidence) -> None:
    assert all(key.startswith(CANARY.encode()) for key in evidence.found)


# ---- each check on a run that is right, and on one that is not


def test_a_run_that_is_right_passes(evidence: Evidence) -> None:
    outputs = check_outputs(evidence)
    assert (outputs.missing, outputs.repeated, outputs.problems) == (0, 0, [])
    assert check_broker(evidence) == []
    assert check_books(evidence, watch_of(evidence)) == []
    assert check_commits(evidence, watch_of(evidence)) == []
    assert sum(map(len, evidence.qualifications.values())) > 300
    assert sum(map(len, evidence.dead_letters.values())) > 50


def test_an_event_that_did_not_count_is_lost_and_its_contact_is_named_with_its_offsets(evidence: Evidence) -> None:
    key, line = next(iter(evidence.found.items()))
    groups = line.groups | {"count": line.groups["count"] - 1}
    poorer = replace(evidence, found={**evidence.found, key: line._replace(groups=groups)})
    assert count_losses(poorer) == (1, 0)
    (problem, *_) = check_state(poorer)
    assert key.decode() in problem
    assert "offsets [" in problem
    groups = line.groups | {"count": line.groups["count"] + 2}
    assert count_losses(replace(evidence, found={**evidence.found, key: line._replace(groups=groups)})) == (0, 2)


def test_a_contact_that_is_not_there_at_all_is_lost(evidence: Evidence) -> None:
    key, line = next(iter(evidence.found.items()))
    rest = {name: line for name, line in evidence.found.items() if name != key}
    assert count_losses(replace(evidence, found=rest)).lost == line.groups["count"]
    assert check_state(replace(evidence, found=rest))


def test_a_worker_that_agrees_with_the_recount_is_not_believed_when_the_sums_say_otherwise(evidence: Evidence) -> None:
    """A bug that worker and recount share shows in the sums."""
    key, line = next(iter(evidence.found.items()))
    wrong = {**evidence.found, key: line._replace(score=line.score + 1)}
    both = replace(evidence, found=wrong, recounted=replace(evidence.recounted, scores=wrong))
    assert any("the oracles differ" in problem for problem in check_state(both))


def told(evidence: Evidence, change: Topic) -> Evidence:
    return replace(evidence, qualifications={**evidence.qualifications, **change})


def test_a_transition_that_was_never_told_is_missing(evidence: Evidence) -> None:
    outputs = check_outputs(told(evidence, {0: list(evidence.qualifications[0][1:])}))
    assert outputs.missing == 1
    assert any("never told" in problem for problem in outputs.problems)


def test_a_repeat_is_a_problem_exactly_once_and_a_figure_otherwise(evidence: Evidence) -> None:
    again = told(evidence, {0: [*evidence.qualifications[0], evidence.qualifications[0][0]]})
    assert check_outputs(again).problems == ["I3: 1 transitions were told again"]
    outputs = check_outputs(replace(again, is_exact=False))
    assert (outputs.repeated, outputs.problems) == (1, [])


def test_a_repeat_with_other_bytes_is_a_problem_always(evidence: Evidence) -> None:
    first = evidence.qualifications[0][0]
    other = replace(first, value=first.value.replace(b'"points":', b'"points":1'))
    again = told(evidence, {0: [*evidence.qualifications[0], other]})
    assert any("two payloads" in problem for problem in check_outputs(replace(again, is_exact=False)).problems)


def test_transitions_of_a_contact_out_of_order_are_a_problem(evidence: Evidence) -> None:
    assert check_outputs(told(evidence, {0: evidence.qualifications[0][::-1]})).problems


def test_a_dead_letter_that_is_missing_doubled_or_changed_is_a_problem(evidence: Evidence) -> None:
    number = next(number for number, its in evidence.dead_letters.items() if len(its) > 2)
    letters, watch = list(evidence.dead_letters[number]), watch_of(evidence)

    def with_letters(its: list[Record]) -> Evidence:
        return replace(evidence, dead_letters={**evidence.dead_letters, number: its})

    assert check_books(with_letters(letters[1:]), watch)
    assert check_books(with_letters([*letters, letters[0]]), watch)
    assert check_books(with_letters([replace(letters[0], value=b"{}"), *letters[1:]]), watch)
    assert check_books(with_letters([replace(letters[0], headers=letters[0].headers[1:]), *letters[1:]]), watch)


def test_a_record_that_the_broker_took_and_lost_is_told_apart_from_one_that_it_never_took(evidence: Evidence) -> None:
    number = len(evidence.feed.places) - 1
    place = evidence.feed.places[number]
    source = {**evidence.source, place.partition: list(evidence.source[place.partition][:-1])}
    assert check_broker(replace(evidence, source=source))
    feed = Feed("localhost:9", "in", evidence.load.records)
    feed.places = [*evidence.feed.places[:-1], NOWHERE]
    assert check_broker(replace(evidence, source=source, feed=feed)) == []
    assert replace(evidence, source=source, feed=feed).missing == {number}
    assert replace(evidence, feed=feed).missing == set()


def test_books_that_do_not_balance_are_seen_by_partition() -> None:
    page = """\
# TYPE leadscore_events_received_total counter
leadscore_events_received_total{topic="in",partition="0"} 7.0
leadscore_events_received_total{topic="in",partition="1"} 4.0
# TYPE leadscore_events_folded_total counter
leadscore_events_folded_total{topic="in",partition="0",model="m",reason="effective"} 5.0
leadscore_events_folded_total{topic="in",partition="0",model="m",reason="duplicate"} 1.0
leadscore_events_folded_total{topic="in",partition="1",model="m",reason="effective"} 3.0
# TYPE leadscore_dead_letters_total counter
leadscore_dead_letters_total{topic="in",partition="0",code="event.not_json"} 1.0
"""
    received, fates = books(page)
    assert (received["0"], fates["0"]) == (7, 7)
    assert (received["1"], fates["1"]) == (4, 3)


class LoggedLife:
    """A worker of which only its log is left."""

    def __init__(self, text: str) -> None:
        self.log_file = Path("west-0.log")
        self._text = text

    def log_text(self) -> str:
        return self._text


def cluster_of(text: str) -> Any:
    return SimpleNamespace(lives=[LoggedLife(text)])


def test_a_crash_in_a_log_and_a_contact_in_a_log_or_on_a_page_are_problems(evidence: Evidence) -> None:
    watch = watch_of(evidence)
    quiet, crashed, telling = (
        cluster_of(text) for text in ("{}", "Traceback (most recent call last)", f"cannot fold {CANARY}-7")
    )
    assert (check_logs(quiet), check_logs(telling), check_canaries(quiet, watch)) == ([], [], [])
    assert len(check_logs(crashed)) == len(check_canaries(telling, watch)) == 1
    watch.pages = [f'"contact": "{CANARY}-7"'.encode()]
    assert len(check_canaries(quiet, watch)) == 1


def test_a_worker_that_takes_up_too_much_is_a_problem(evidence: Evidence) -> None:
    watch = watch_of(evidence)
    assert check_weight(watch) == []
    watch.rss_peak_mb, watch.handles_peak = 900.0, 2_000
    assert len(check_weight(watch)) == 2


def test_commits_past_what_is_applied_are_a_problem(evidence: Evidence) -> None:
    watch = watch_of(evidence)
    watch.committed[2] = 5
    assert check_commits(evidence, watch) == ["I5: partition 2 is committed at 5, applied up to 0"]


def test_the_table_sums_counts_and_keeps_the_longest_of_each_cell() -> None:
    run = Figures(
        scenario="C01", store="rocksdb", guarantee="exactly_once", seed=1, events=10, lost=0, doubled=0, failover_s=2.0
    )
    other = replace(run, events=5, failover_s=3.25, doubled=1)
    lines = table([run.as_document(), other.as_document()]).splitlines()
    assert len(lines) == 3
    assert lines[2] == "| C01 | rocksdb | exactly_once | 2 | 15 | 0 | 1 | - | - | 3.2 | - | - |"


def test_a_model_file_is_one_that_the_worker_takes(tmp_path: Path) -> None:
    assert load_model(str(write_model(tmp_path))).name == "whole-points"
