from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.small import DAY, HOUR, SECOND, START, event_value, rule, small_model
from worker.export import transition_line
from worker.replay import Line, Origin, Refused, Replay, Terms, batches_of, replay_history, replay_lines
from worker.scoring.model import Model

MODEL = small_model(
    rule("act", 100, decay={"half_life": "1h"}),
    qualify={"when": {"score": {"at_least": 50}}},
    tiers={"cold": 0, "hot": 50},
)


def kinds(result: Replay, model: Model = MODEL) -> list[tuple[str, str, str]]:
    values = [json.loads(one) for one in result.transitions[model.name]]
    return [(one["kind"], one["at"], one["cause"]) for one in values]


def test_history_is_read_at_its_newest_event_by_default() -> None:
    result = replay_lines([MODEL], [event_value("act"), event_value("other", START + HOUR, contact="d")])
    assert result.as_of_ms == START + HOUR
    (line,) = result.scores["small"]
    assert (line.contact_id, line.score, line.shown, line.tier, line.latch) == ("c", 50.0, 50.0, "hot", "ready")


def test_due_instants_up_to_the_end_are_handled_after_the_last_record() -> None:
    result = replay_lines([MODEL], [event_value("act")], START + DAY)
    assert kinds(result) == [
        ("lead.sales_ready", "2026-01-01T00:00:00.000Z", "act"),
        ("lead.cooled", "2026-01-01T01:00:01.000Z", "timer"),
    ]
    assert result.scores["small"][0].latch == "open"


def test_due_instant_at_the_end_itself_is_handled() -> None:
    cools_ms = START + HOUR + SECOND
    assert [len(kinds(replay_lines([MODEL], [event_value("act")], at))) for at in (cools_ms - 1, cools_ms)] == [1, 2]


def test_events_after_the_instant_are_left_out() -> None:
    lines = [event_value("act"), event_value("act", START + DAY), event_value("act", START + DAY, contact="later")]
    result = replay_lines([MODEL], lines, START + DAY - 1)
    assert [line.contact_id for line in result.scores["small"]] == ["c"]
    assert result.counts["received", ""] == 1


def test_event_at_the_instant_counts() -> None:
    assert replay_lines([MODEL], [event_value("act")], START).scores["small"][0].score == 100.0


def test_line_that_holds_no_event_is_named_by_its_number_and_code() -> None:
    lines = [b"\n", event_value("act"), b"   ", b"{oops", b"[]", event_value("act", START + 1)]
    result = replay_lines([MODEL], lines)
    assert result.refused == [Refused(4, "event.not_json"), Refused(5, "event.not_object")]
    assert result.counts["effective", "small"] == 2


def test_history_without_events_has_no_instant_and_no_scores() -> None:
    result = replay_lines([MODEL], [b"", b"no event"])
    assert (result.as_of_ms, result.scores) == (None, {})


def test_future_events_are_not_clamped_in_a_file() -> None:
    result = replay_lines([MODEL], [event_value("act", START + 900 * DAY)])
    assert result.as_of_ms == START + 900 * DAY
    assert result.counts["clamped", ""] == 0


def test_file_is_one_partition_whose_time_is_that_of_its_newest_event() -> None:
    """Another contact's event, three days and more later, makes the first one's timer fire before its late event comes."""
    lines = [event_value("act"), event_value("act", START + 4 * DAY, contact="d"), event_value("act", START + HOUR)]
    result = replay_lines([MODEL], lines)
    assert kinds(result)[2] == ("lead.cooled", "2026-01-01T01:00:01.000Z", "timer")
    assert result.counts["behind_timer", "small"] == 1


def test_contacts_are_listed_in_byte_order() -> None:
    names = ["b", "é", "a", "Z", "\U0001f600", "\uffee"]
    result = replay_lines([MODEL], [event_value("act", contact=name) for name in names])
    assert [line.contact_id for line in result.scores["small"]] == sorted(names, key=str.encode)


def test_models_score_each_on_its_own() -> None:
    other = small_model(rule("act", 7), model="other")
    result = replay_lines([MODEL, other], [event_value("act"), event_value("act", START + 1)])
    assert {name: lines[0].score for name, lines in result.scores.items()}["other"] == 14.0
    assert result.transitions["other"] == []
    assert len(result.transitions["small"]) == 1


def test_contact_that_only_showed_life_is_listed_as_unscored() -> None:
    model = small_model(rule("act", 1), inactivity=[{"after": "30d", "points": -1}])
    (line,) = replay_lines([model], [event_value("other")]).scores["small"]
    assert (line.unscored, line.score, line.latch) == (True, 0.0, "open")


def test_progress_adds_up_to_the_lines_read() -> None:
    seen: list[int] = []
    replay_lines([MODEL], [event_value("act", START + n) for n in range(5_000)], progress=seen.append)
    assert sum(seen) == 5_000
    assert len(seen) > 1


def test_long_silence_under_a_daily_step_is_replayed_step_by_step() -> None:
    """1000 points lose one a day for 900 days; a replay must not take minutes for one contact."""
    model = small_model(rule("act", 1000), inactivity=[{"after": "1d", "every": "1d", "points": -1}])
    result = replay_lines([model], [event_value("act")], START + 900 * DAY)
    assert round(result.scores["small"][0].score, 6) == 100.0


def replayed(
    *sources: tuple[str, list[bytes]], models: Sequence[Sequence[Model]] = ((MODEL,),), **terms: Any
) -> list[Replay]:
    return replay_history(models, batches_of(sources), Terms(**terms))


def test_several_files_are_one_history_in_their_order() -> None:
    """The repeat in the second file is known from the first."""
    first = [event_value("act"), b""]
    second = [b"  ", event_value("act"), b"{oops", event_value("act", START + DAY, contact="d")]
    (result,) = replayed(("a.jsonl", first), ("none", []), ("b.jsonl", second))
    assert result.counts["duplicate", "small"] == 1
    assert result.refused == [Refused(3, "event.not_json", "b.jsonl")]
    told = [json.loads(value)["event"] for value in result.transitions["small"] if b'"event"' in value]
    assert [(one["topic"], one["partition"], one["offset"]) for one in told] == [("a.jsonl", 0, 0), ("b.jsonl", 0, 3)]
    assert result.places["small"] == [0, 5, -1]  # the last one is the cooling, which no line led to


def test_several_files_and_one_of_all_lines_come_to_the_same() -> None:
    lines = [event_value("act", START + hour * HOUR, contact=f"c{hour % 7}") for hour in range(200)]
    (whole,) = replayed(("all", lines))
    (split,) = replayed(("a", lines[:50]), ("b", lines[50:51]), ("c", lines[51:]))
    assert split.scores == whole.scores
    assert split.places == whole.places
    assert [transition_line(value) for value in split.transitions["small"]] == [
        transition_line(value) for value in whole.transitions["small"]
    ]


def test_models_of_one_name_replay_beside_each_other_as_they_do_alone() -> None:
    other = small_model(rule("act", 30), version=2, qualify={"when": {"score": {"at_least": 60}}})
    lines = [event_value("act", START + n * HOUR, contact=name) for n in range(5) for name in "ab"]
    this, that = replayed(("", lines), models=[[MODEL], [other]])
    for model, found in ((MODEL, this), (other, that)):
        (alone,) = replayed(("", lines), models=[[model]])
        assert (found.scores, found.transitions, found.counts) == (alone.scores, alone.transitions, alone.counts)


def test_transitions_before_the_instant_given_are_kept_back_and_counted() -> None:
    """The first ready is kept back, and so is its cooling two hours later; the second is told."""
    lines = [event_value("act"), event_value("act", START + DAY)]
    (result,) = replayed(("", lines), emit_since_ms=START + HOUR, as_of_ms=START + 2 * DAY)
    assert [at for _, at, _ in kinds(result)] == ["2026-01-02T00:00:00.000Z", "2026-01-02T01:00:01.000Z"]
    assert result.counts["kept_back", "small"] == 2


def test_changes_of_tier_are_told_when_asked_for() -> None:
    told = kinds(replayed(("", [event_value("act")]), publish_tiers=True, as_of_ms=START + DAY)[0])
    assert [kind for kind, _, _ in told] == [
        "lead.sales_ready", "lead.tier_changed", "lead.cooled", "lead.tier_changed",
    ]  # fmt: skip


def record(place: int, value: bytes | None, timestamp: int, *, key: bytes | None = b"c", partition: int = 2) -> Line:
    return Line(place, value, timestamp, key, (), Origin("in", partition, 100 + place, is_record=True))


def test_records_are_named_by_partition_and_offset() -> None:
    records = [record(0, b"{oops", START), record(1, None, START), record(2, event_value("act"), START, key=b"other")]
    (result,) = replay_history([[MODEL]], [[*records, record(3, event_value("act"), START)]], Terms())
    assert result.refused == [
        Refused(100, "event.not_json", "in[2]"),
        Refused(101, "event.null_value", "in[2]"),
        Refused(102, "event.key_mismatch", "in[2]"),
    ]
    (told,) = result.transitions["small"]
    assert json.loads(told)["event"] == {"id": f"act@{START}", "topic": "in", "partition": 2, "offset": 103}


def test_events_that_lie_ahead_of_their_record_are_clamped_as_the_worker_does() -> None:
    ahead = event_value("act", START + 900 * DAY)
    (result,) = replay_history([[MODEL]], [[record(0, ahead, START)]], Terms(max_skew_ms=300_000))
    assert result.as_of_ms == START
    assert result.counts["clamped", ""] == 1


@pytest.mark.parametrize(("skew_ms", "received"), [(300_000, 1), (None, 0)])
def test_events_are_left_out_by_their_clamped_time(skew_ms: int | None, received: int) -> None:
    terms = Terms(as_of_ms=START + DAY, max_skew_ms=skew_ms)
    ahead = record(0, event_value("act", START + 900 * DAY), START)
    (result,) = replay_history([[MODEL]], [[ahead]], terms)
    assert result.counts["received", ""] == received


def test_watcher_sees_each_event_that_counts_once_with_its_place() -> None:
    seen: list[tuple[str, int, int]] = []
    lines = [event_value("act"), b"no event", event_value("x", START + 1), event_value("act", START + DAY)]
    replay_history(
        [[MODEL], [MODEL]],
        batches_of([("", lines)]),
        Terms(as_of_ms=START + HOUR),
        watch=lambda event, at_ms, place: seen.append((event.type, at_ms, place)),
    )
    assert seen == [("act", START, 0), ("x", START + 1, 2)]
