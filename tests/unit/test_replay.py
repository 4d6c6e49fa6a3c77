from __future__ import annotations

import json

from tests.support.small import DAY, HOUR, SECOND, START, event_value, rule, small_model
from worker.replay import Refused, Replay, replay_lines
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
