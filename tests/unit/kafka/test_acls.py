"""The list of permissions: complete for each guarantee, nothing twice, and printed so that it can be pasted."""

from __future__ import annotations

import json

import pytest
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


def settings(**changed: str) -> Settings:
    return load_settings({"LEADSCORE_BROKERS": "kafka-1:9092", **changed})


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
