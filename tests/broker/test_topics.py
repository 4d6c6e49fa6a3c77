"""Topics on a real cluster: planned, created, checked; and the command line around them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from tests.support.kafka import admin_of, create_topics, fresh
from worker.cli.topics import app
from worker.errors import ConfigError, DependencyError
from worker.kafka import topics
from worker.settings import Settings, load_settings


def _settings(brokers: str, **more: str) -> Settings:
    name = fresh("topics")
    return load_settings(
        {
            "LEADSCORE_BROKERS": brokers,
            "LEADSCORE_APP_ID": name,
            "LEADSCORE_INPUT_TOPIC": f"{name}-in",
            "LEADSCORE_QUALIFICATIONS_TOPIC": f"{name}-q",
            "LEADSCORE_SCORES_TOPIC": f"{name}-s",
            "LEADSCORE_REPLICATION": "1",
            "LEADSCORE_PARTITIONS": "3",
            **more,
        }
    )


async def _configs(brokers: str, topic: str) -> dict[str, str]:
    async with admin_of(brokers) as admin:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


def test_created_topics_are_as_planned_and_pass_the_check(brokers: str) -> None:
    async def scenario() -> None:
        settings = _settings(brokers)
        assert len(await topics.check(settings)) == 5
        assert [spec.role for spec in await topics.create(settings)] == [
            *("input", "qualifications", "scores", "dead letters", "changelog")
        ]
        assert await topics.check(settings) == []
        assert await topics.create(settings) == []
        source = await _configs(brokers, settings.input_topic)
        assert (source["cleanup.policy"], source["message.timestamp.type"]) == ("delete", "LogAppendTime")
        changelog = await _configs(brokers, settings.changelog_topic)
        assert changelog["cleanup.policy"] == "compact"
        assert changelog["min.compaction.lag.ms"] == "3600000"
        assert changelog["max.message.bytes"] == str(2 << 20)
        dead_letters = await _configs(brokers, settings.dlq_topic)
        assert int(dead_letters["max.message.bytes"]) == int(source["max.message.bytes"]) + (64 << 10)
        async with admin_of(brokers) as admin:
            described = await admin.describe_topics([settings.changelog_topic])
        assert len(described[0]["partitions"]) == 3

    asyncio.run(scenario())


def test_new_topics_follow_the_partition_count_of_an_input_that_exists(brokers: str) -> None:
    async def scenario() -> None:
        settings = _settings(brokers)
        await create_topics(brokers, {settings.input_topic: 5})
        created = await topics.create(settings)
        assert {spec.partitions for spec in created} == {5}
        assert await topics.check(settings) == []

    asyncio.run(scenario())


def test_everything_wrong_is_refused_in_one_text(brokers: str) -> None:
    async def scenario() -> None:
        settings = _settings(brokers)
        await create_topics(brokers, {settings.input_topic: 2}, config={"cleanup.policy": "compact"})
        await create_topics(brokers, {settings.changelog_topic: 2}, config={"cleanup.policy": "delete"})
        await create_topics(brokers, {settings.dlq_topic: 2}, config={"max.message.bytes": "1000"})
        await create_topics(brokers, {settings.qualifications_topic: 7})
        with pytest.raises(ConfigError) as refused:
            await topics.ensure(settings)
        text = str(refused.value)
        assert refused.value.exit_code == 78
        for expected in (
            f"{settings.input_topic}: cleanup.policy is compact",
            f"{settings.changelog_topic}: cleanup.policy is delete",
            f"{settings.changelog_topic}: max.message.bytes is 1048588",
            f"{settings.dlq_topic}: max.message.bytes is 1000",
            f"{settings.qualifications_topic}: it has 7 partitions",
            f"{settings.scores_topic}: the scores topic does not exist",
        ):
            assert expected in text

    asyncio.run(scenario())


def test_topics_are_created_at_start_only_when_that_is_allowed(brokers: str) -> None:
    async def scenario() -> None:
        settings = _settings(brokers)
        with pytest.raises(ConfigError, match="leadscore topics create"):
            await topics.ensure(settings)
        await topics.ensure(replace(settings, create_topics=True))
        await topics.ensure(settings)

    asyncio.run(scenario())


def test_more_replicas_than_brokers_are_refused_with_the_brokers_reason(brokers: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigError, match="LEADSCORE_REPLICATION"):
            await topics.create(_settings(brokers, LEADSCORE_REPLICATION="9"))

    asyncio.run(scenario())


def test_no_answer_within_the_deadline_is_a_dependency_error() -> None:
    with pytest.raises(DependencyError, match=r"127\.0\.0\.1:9.*no broker answered within 0\.5 s") as unreachable:
        asyncio.run(topics.check(_settings("127.0.0.1:9"), within_s=0.5))
    assert unreachable.value.exit_code == 69


def test_the_commands_plan_create_and_check(brokers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(brokers)
    for name in ("app_id", "input_topic", "qualifications_topic", "scores_topic"):
        monkeypatch.setenv(f"LEADSCORE_{name.upper()}", getattr(settings, name))
    monkeypatch.setenv("LEADSCORE_BROKERS", brokers)
    runner = CliRunner()
    planned = runner.invoke(app, ["plan", "--partitions", "2", "--replication", "1", "--output", "json"])
    assert planned.exit_code == 0
    assert [one["topic"] for one in json.loads(planned.stdout)][-1] == settings.changelog_topic
    missing = runner.invoke(app, ["check"])
    assert missing.exit_code == 1
    assert "5 found" in missing.stderr
    created = runner.invoke(app, ["create", "--partitions", "2", "--replication", "1"])
    assert created.exit_code == 0
    assert "5 created" in created.stderr
    right = runner.invoke(app, ["check", "--output", "json"])
    assert (right.exit_code, json.loads(right.stdout)) == (0, [])


def test_what_is_better_changed_is_shown_and_is_no_refusal(brokers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(brokers)
    for name in ("app_id", "input_topic", "qualifications_topic", "scores_topic"):
        monkeypatch.setenv(f"LEADSCORE_{name.upper()}", getattr(settings, name))
    monkeypatch.setenv("LEADSCORE_BROKERS", brokers)
    clocks_of_producers = {"message.timestamp.type": "CreateTime", "retention.ms": "3600000"}
    asyncio.run(create_topics(brokers, {settings.input_topic: 3}, config=clocks_of_producers))
    asyncio.run(topics.create(settings))
    shown = CliRunner().invoke(app, ["check"])
    assert shown.exit_code == 0
    assert shown.stdout.count(f"{settings.input_topic}: warning: ") == 2
    assert "0 found, 2 warnings" in shown.stderr
    listed = CliRunner().invoke(app, ["check", "--output", "json"])
    assert [one["level"] for one in json.loads(listed.stdout)] == ["warning", "warning"]
