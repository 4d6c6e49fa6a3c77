"""What `leadscore dlq` prints: never contact data unless it is asked to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.support.letters import letter
from worker.cli.main import app
from worker.errors import DependencyError
from worker.operations import dead_letter_replay, dead_letters
from worker.operations.dead_letter_replay import TOO_OFTEN, Outcome, Terms
from worker.operations.dead_letters import DeadLetter, Selection
from worker.operations.topic_lines import Instant, Offset
from worker.settings import Settings

ENVIRON = {"LEADSCORE_BROKERS": "localhost:1", "LEADSCORE_INPUT_TOPIC": "in", "COLUMNS": "200"}
CANARY = "canary@example.com"
LETTERS = [
    letter(0, at_ms=1_772_366_400_000, received=[("trace", CANARY.encode())], value=CANARY.encode())._replace(
        key=CANARY.encode()
    ),
    letter(1, "event.not_json", at_ms=1_772_366_500_000, value=b"\xff\x00")._replace(key=None),
]


class Topic:
    """A dead-letter topic in memory; remembers what it was asked for."""

    def __init__(self) -> None:
        self.selection = Selection()

    def read(self, settings: Settings, selection: Selection, **_: Any) -> Iterator[list[DeadLetter]]:
        self.selection = selection
        yield [one for one in LETTERS if selection.takes(one)]

    def one(self, settings: Settings, partition: int, offset: int) -> DeadLetter:
        return LETTERS[offset]


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    there = Topic()
    monkeypatch.setattr(dead_letters, "read_dead_letters", there.read)
    monkeypatch.setattr(dead_letters, "one_dead_letter", there.one)
    return there


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dlq", *arguments], env=ENVIRON)


@pytest.mark.usefixtures("topic")
@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("list", "--output", "json"),
        ("list", "--by", "hour"),
        ("show", "0:0"),
        ("show", "0:0", "--output", "json"),
    ],
)
def test_no_contact_data_unless_revealed(arguments: tuple[str, ...]) -> None:
    """If this fails, whoever looks at the errors reads whose they are."""
    result = ask(*arguments)
    assert result.exit_code == 0
    assert CANARY not in result.output
    assert "event.bad_time" in result.stdout


@pytest.mark.usefixtures("topic")
def test_list_has_counts_and_the_newest_first() -> None:
    document = json.loads(ask("list", "--limit", "1", "--output", "json").stdout)
    assert document["dead_letters"] == 2
    assert [one["code"] for one in document["counts"]] == ["event.bad_time", "event.not_json"]
    (newest,) = document["newest"]
    assert (newest["code"], newest["partition"], newest["offset"], newest["bytes"]) == ("event.not_json", 0, 1, 2)
    assert "key" not in newest


def test_filters_reach_the_topic(topic: Topic) -> None:
    ask("list", "--code", "event.bad_time", "--partition", "3", "--from", "17", "--to", "2026-03-01T00:00:00Z")
    assert topic.selection == Selection(
        frozenset({"event.bad_time"}), frozenset({3}), Offset(17), Instant(1_772_323_200_000)
    )


@pytest.mark.usefixtures("topic")
@pytest.mark.parametrize(
    "arguments",
    [("list", "--from", "yesterday"), ("show", "7"), ("show", "a:1"), ("show", "1:²"), ("replay", "--rate", "-1")],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert ask(*arguments).exit_code == 2


@pytest.mark.usefixtures("topic")
def test_reveal_shows_the_bytes_and_leaves_a_line_in_the_log() -> None:
    result = ask("show", "0:0", "--reveal", "--output", "json")
    document = json.loads(result.stdout)
    assert (document["key"], document["value"]) == (CANARY, CANARY)
    (line,) = [json.loads(one) for one in result.stderr.splitlines() if one.startswith("{")]
    assert (line["event"], line["offset"], line["app_id"]) == ("dead_letter_revealed", 0, "lead-scoring")
    assert CANARY not in result.stderr
    binary = json.loads(ask("show", "0:1", "--reveal", "--output", "json").stdout)
    assert (binary["key"], binary["value"]) == (None, {"base64": "/wA="})


class Sender:
    """Stands in for the broker: counts, and fails when it is told to."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.terms: Terms | None = None

    def replay(self, settings: Settings, selection: Selection, terms: Terms, outcome: Outcome, **_: Any) -> None:
        self.terms = terms
        outcome.sent["event.bad_time"] += 3
        outcome.passed[TOO_OFTEN] += 1
        if self.fails:
            raise DependencyError(what="Kafka", problem="gone", fix="wait")


def test_replay_sends_nothing_without_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender()
    monkeypatch.setattr(dead_letter_replay, "replay_dead_letters", sender.replay)
    result = ask("replay")
    assert sender.terms == Terms(max_replays=3, is_again=False, rate=500, is_dry=True)
    assert "3 dead letters would be sent to in" in result.stdout
    assert "add --yes" in result.stdout
    assert result.stderr == ""  # neither an audit line nor, where no terminal is, progress


def test_replay_leaves_an_audit_line_even_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, nobody knows later who sent what when it went wrong half-way."""
    sender = Sender(fails=True)
    monkeypatch.setattr(dead_letter_replay, "replay_dead_letters", sender.replay)
    result = ask("replay", "--yes", "--rate", "10", "--again")
    assert isinstance(result.exception, DependencyError)
    assert sender.terms == Terms(max_replays=3, is_again=True, rate=10, is_dry=False)
    (line,) = [json.loads(one) for one in result.stderr.splitlines() if one.startswith("{")]
    assert (line["event"], line["sent"], line["codes"]) == ("dead_letters_replayed", 3, {"event.bad_time": 3})
    assert (line["passed_over"], line["is_again"]) == (1, True)
