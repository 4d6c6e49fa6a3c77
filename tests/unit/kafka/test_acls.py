"""The list of permissions: complete for each guarantee, nothing twice, and printed so that it can be pasted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from worker.cli.main import app
from worker.kafka.acls import COMMANDS, acl_lines, grants
from worker.settings import Settings, load_settings

OURS = {
    "lead-interactions",
    "lead-qualifications",
    "lead-scores",
    "lead-interactions-dlq",
    "lead-scoring-contacts-changelog",
}

WITHOUT_A_BROKER = {
    "demo",  # runs a broker of its own
    "settings",
    *("model lint", "model explain-code", "model new", "model test", "model explain", "model fit"),
    *("model show", "model list"),
    *("topics plan", "topics acls"),
}


def settings(**changed: str) -> Settings:
    return load_settings({"LEADSCORE_BROKERS": "kafka-1:9092", **changed})


def leaves(command: Any, name: str = "") -> Iterator[str]:
    """Yield the names of the commands under *command*, as they are typed."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name
        return
    for word, one in inner.items():
        yield from leaves(one, f"{name} {word}".strip())


def test_every_command_is_listed_with_what_it_needs_or_needs_no_broker() -> None:
    """If this fails, a command is refused by the brokers of whoever gave it only what is listed."""
    there = list(leaves(typer.main.get_command(app)))
    assert sorted(there) == sorted([*COMMANDS, *WITHOUT_A_BROKER])


def test_dropping_a_model_needs_what_passing_over_a_record_does() -> None:
    assert grants(settings(), "model drop") == grants(settings(), "offsets skip")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_only_what_is_its_own_and_asks_for_nothing_twice(command: str) -> None:
    wanted = grants(settings(), command)
    places = [(one.resource, one.name, one.operation) for one in wanted]
    assert wanted
    assert len(set(places)) == len(places)
    assert {one.name for one in wanted if one.resource == "topic"} <= OURS
    assert all(one.name.startswith("lead-scoring") for one in wanted if one.resource != "topic")
    assert "Create" not in {one.operation for one in wanted} or command == "topics create"


@pytest.mark.parametrize(
    ("changed", "is_asked"),
    [({}, True), ({"LEADSCORE_GUARANTEE": "at_least_once"}, False)],
    ids=["exactly", "at least"],
)
def test_transactional_ids_are_asked_for_where_there_are_transactions(changed: dict[str, str], is_asked: bool) -> None:
    assert ("transactional-id" in {one.resource for one in grants(settings(**changed), "run")}) is is_asked


def test_a_worker_that_may_create_topics_asks_for_that() -> None:
    operations = {one.operation for one in grants(settings(LEADSCORE_CREATE_TOPICS="true"), "run")}
    assert "Create" in operations


def test_a_topic_that_is_switched_off_is_not_asked_for() -> None:
    assert "lead-scores" not in {one.name for one in grants(settings(LEADSCORE_SCORES_TOPIC=""), "run")}


def test_lines_can_be_pasted_into_a_shell() -> None:
    lines = acl_lines(grants(settings(), "run"), "User:CN=it's me", "kafka-1:9092")
    assert lines[0] == (
        "kafka-acls --bootstrap-server kafka-1:9092 --add --allow-principal 'User:CN=it'\\''s me'"
        " --operation Read --operation Write --operation DescribeConfigs --topic lead-interactions"
    )
    assert lines[-1].endswith("--operation Write --transactional-id lead-scoring- --resource-pattern-type prefixed")


def test_command_prints_them_for_programs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADSCORE_BROKERS", "kafka-1:9092")
    done = CliRunner().invoke(app, ["topics", "acls", "--command", "send", "--output", "json"])
    (one,) = json.loads(done.stdout)["send"]
    assert (one["resource"], one["name"], one["operation"]) == ("topic", "lead-interactions", "Write")
    assert CliRunner().invoke(app, ["topics", "acls", "--command", "nonsense"]).exit_code == 2
