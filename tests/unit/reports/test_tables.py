from __future__ import annotations

import csv
import io
import json

import orjson

from tests.support.small import DAY, START, event_value, small_model
from worker.replay import Terms, batches_of, replay_history
from worker.reports.document import document, empty_document
from worker.reports.outcome import Watcher
from worker.reports.report import Report, make_report
from worker.reports.tables import files_of

NAMES = ["a,b", 'say "hi"', "é \U0001f600"]
RULE = {"rule": 'press "send", then wait', "when": {"type": "act"}, "points": 60}


def report() -> Report:
    """Two models, three contacts: each acts twice in two days and comes to the outcome a day later."""
    models = [
        small_model(
            RULE, version=version, qualify={"when": {"score": {"at_least": threshold}}}, tiers={"cold": 0, "hot": 50}
        )
        for version, threshold in ((1, 100), (2, 60))
    ]
    events = [
        event_value(kind, START + day * DAY, contact=name)
        for kind, day in (("act", 0), ("act", 2), ("won", 3))
        for name in NAMES
    ]
    happened = Watcher("won")
    this, other = replay_history(
        [[models[0]], [models[1]]], batches_of([("", [*events, b"no event"])]), Terms(), watch=happened
    )
    return make_report(models[:1], this, other=(models[1], other), happened=happened)


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_every_table_is_csv_and_says_what_is_true() -> None:
    made = report()
    files = {name: rows(content) for name, content in files_of(made.models[0], made.diff)}
    assert files["rules.csv"] == [
        {
            "rule": 'press "send", then wait', "group": "engagement", "contacts": "3", "awards": "6",
            "awarded": "360.0", "points": "360.0", "share": "1.0",
        }
    ]  # fmt: skip
    assert files["distribution.csv"] == [
        {"what": "scored", "low": "120.0", "high": "121.0", "contacts": "3"},
        {"what": "unscored", "low": "", "high": "", "contacts": "0"},
    ]
    assert [row["contact_id"] for row in files["diff.csv"]] == NAMES
    assert files["diff.csv"][0] == {
        "contact_id": "a,b", "change": "earlier", "ready_at": "2026-01-03T00:00:00.000Z",
        "other_ready_at": "2026-01-01T00:00:00.000Z", "moved_days": "-2.0", "score": "120.0", "other_score": "120.0",
        "tier": "hot", "other_tier": "hot", "reasons": 'press "send", then wait 120', "other_reasons": 'press "send", then wait 60',
    }  # fmt: skip
    assert files["won.csv"][1] == {
        "contact_id": 'say "hi"', "verdict": "hit", "ready_at": "2026-01-03T00:00:00.000Z",
        "won_at": "2026-01-04T00:00:00.000Z", "lead_days": "1.0",
    }  # fmt: skip


def test_tables_that_were_not_asked_for_are_not_made() -> None:
    (replay,) = replay_history([[small_model(RULE)]], batches_of([("", [event_value("act")])]), Terms())
    made = make_report([small_model(RULE)], replay)
    assert [name for name, _ in files_of(made.models[0], None)] == ["rules.csv", "distribution.csv"]


def test_document_holds_all_of_it() -> None:
    told = json.loads(orjson.dumps(document(report())))
    assert told["as_of_ms"] == START + 3 * DAY
    assert told["refused"] == {"event.not_json": 1}
    small = told["models"]["small"]
    assert [one["kind"] for one in small["transitions"]] == ["lead.sales_ready"] * 3
    assert small["distribution"]["bins"] == [{"low": 120.0, "high": 121.0, "contacts": 3}]
    assert small["rules"][0]["awards"] == 6
    assert small["won"]["counts"]["hit"] == 3
    assert small["won"]["lead_ms"] == {"quarter": DAY, "median": DAY, "three_quarters": DAY}
    diff = told["diff"]
    assert diff["counts"] == {"gained": 0, "lost": 0, "earlier": 3, "later": 0, "same": 0, "neither": 0}
    assert diff["other"]["version"] == 2
    assert diff["other"]["won"]["lead_ms"]["median"] == 3 * DAY
    assert diff["tiers"] == {"rows": ["cold", "hot"], "columns": ["cold", "hot"], "contacts": [[0, 0], [0, 3]]}
    assert [one["moved_ms"] for one in diff["contacts"]] == [-2 * DAY] * 3


def test_document_keeps_every_digit_of_an_attribute() -> None:
    """Ids of customers may be longer than a double is exact."""
    model = small_model(
        RULE, qualify={"when": {"score": {"at_least": 1}}, "include": ["attributes.number"]},
    )  # fmt: skip
    events = [event_value("contact.updated", START, number=2**70 + 1), event_value("act", START + 1)]
    (replay,) = replay_history([[model]], batches_of([("a", events), ("b", [])]), Terms())
    told = json.loads(orjson.dumps(document(make_report([model], replay))))
    assert told["models"]["small"]["transitions"][0]["attributes"] == {"number": 2**70 + 1}


def test_document_of_a_history_without_events_is_empty() -> None:
    (replay,) = replay_history([[small_model(RULE)]], batches_of([("", [b"no event"])]), Terms())
    assert replay.as_of_ms is None
    assert empty_document(replay.refused) == {
        "as_of_ms": None, "counts": {}, "refused": {"event.not_json": 1}, "models": {},
    }  # fmt: skip
