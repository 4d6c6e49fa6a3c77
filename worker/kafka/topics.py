"""The topics of a worker on its cluster: looked at, judged and created."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code

from worker.clock import Deadline
from worker.errors import ConfigError, DependencyError
from worker.kafka.acls import grants
from worker.kafka.authorized_operations import allowed_operations
from worker.kafka.refusals import raise_refusal, refusal_of
from worker.kafka.security import client_options
from worker.kafka.topic_plan import (
    ACLS_FIX,
    CREATE_FIX,
    DEFAULT_MESSAGE_BYTES,
    Existing,
    Finding,
    TopicSpec,
    advise,
    judge,
    plan,
)
from worker.logs import log_event

if TYPE_CHECKING:
    from worker.settings import Settings

_log = logging.getLogger(__name__)

CONNECT_WITHIN_S = 30.0
_RETRY_S = 0.5
_SHOWN_WITHIN_S = 60.0


async def check(settings: Settings, *, within_s: float = CONNECT_WITHIN_S) -> list[Finding]:
    """
    Return what is wrong with the topics of the cluster, nothing when a worker can run.

    Raises:
        DependencyError: no broker answers within *within_s* seconds.
        ConfigError: the brokers refuse us, or we them.
    """
    return (await examine(settings, within_s=within_s))[0]


async def examine(settings: Settings, *, within_s: float = CONNECT_WITHIN_S) -> tuple[list[Finding], list[Finding]]:
    """
    Return what is wrong with the topics of the cluster, and what a worker runs with but an operator may regret.

    Raises:
        DependencyError: no broker answers within *within_s* seconds.
        ConfigError: the brokers refuse us, or we them.
    """
    async with _admin(settings, within_s) as admin:
        needed = [one for one in grants(settings, "run") if one.operation != "Create"]
        specs, existing = await _look(admin, settings)
    return judge(specs, existing, needed), advise(specs, existing)


async def message_bytes(settings: Settings, topic: str) -> int:
    """Return how large a batch *topic* takes; what it takes by default where we may not see its configuration."""
    async with _admin(settings, CONNECT_WITHIN_S) as admin:
        configs = await _configs(admin, [topic])
    return int(configs.get(topic, {}).get("max.message.bytes", DEFAULT_MESSAGE_BYTES))


async def create(settings: Settings, *, within_s: float = CONNECT_WITHIN_S) -> list[TopicSpec]:
    """
    Create the missing topics and return them; those that exist stay as they are.

    New topics get as many partitions as an input topic that exists.

    Raises:
        DependencyError: no broker answers within *within_s* seconds.
        ConfigError: the cluster refuses, for example more replicas than brokers.
    """
    async with _admin(settings, within_s) as admin:
        specs, existing = await _look(admin, settings)
        hidden = [spec.name for spec in specs if spec.name in existing and existing[spec.name].is_hidden]
        if hidden:
            raise ConfigError(where=", ".join(hidden), problem="this user may not see whether it exists", fix=ACLS_FIX)
        missing = [spec for spec in specs if spec.name not in existing]
        if specs[0].name in existing:
            missing = [replace(spec, partitions=existing[specs[0].name].partitions) for spec in missing]
        if missing:
            await _create(admin, missing)
        return missing


async def ensure(settings: Settings, *, within_s: float = CONNECT_WITHIN_S) -> None:
    """
    Make sure that a worker can run: create missing topics where allowed, refuse everything else that is wrong.

    Raises:
        DependencyError: no broker answers within *within_s* seconds.
        ConfigError: with every finding in one text.
    """
    if settings.create_topics:
        await create(settings, within_s=within_s)
    findings, warnings = await examine(settings, within_s=within_s)
    for one in warnings:
        log_event(_log, logging.WARNING, "topic_advice", topic=one.topic, problem=one.problem, fix=one.fix)
    if findings:
        raise ConfigError(
            where="topics",
            problem="; ".join(f"{one.topic}: {one.problem}" for one in findings),
            fix="; ".join(dict.fromkeys(one.fix for one in findings))
            + (", or set LEADSCORECREATE_FIX_TOPICS=true" if any(one.fix == CREATE_FIX for one in findings) else ""),
        )


@asynccontextmanager
async def _admin(settings: Settings, within_s: float) -> AsyncIterator[AIOKafkaAdminClient]:
    deadline = Deadline(within_s)
    options = client_options(settings)
    while True:
        admin = AIOKafkaAdminClient(**options, client_id=f"{settings.app_id}-topics", request_timeout_ms=15_000)
        try:
            async with asyncio.timeout(max(0.1, deadline.remaining())):
                await admin.start()
            break
        except (KafkaError, OSError, TimeoutError) as error:
            await admin.close()
            await raise_refusal(settings)
            if deadline.has_passed:
                raise DependencyError(
                    what=f"Kafka at {', '.join(settings.brokers)}",
                    problem=f"no broker answered within {within_s:g} s ({type(error).__name__})",
                    fix="check LEADSCORE_BROKERS, the network and LEADSCORE_SECURITY_PROTOCOL",
                ) from error
            await asyncio.sleep(min(_RETRY_S, deadline.remaining()))
    try:
        yield admin
    except KafkaError as error:
        if (refusal := refusal_of(error)) is not None:
            raise refusal from error
        raise DependencyError(
            what=f"Kafka at {', '.join(settings.brokers)}",
            problem=f"a request about topics failed: {type(error).__name__}",
            fix="check that the cluster is healthy and that this user may describe (and create) the topics",
        ) from error
    finally:
        await admin.close()


async def _look(admin: AIOKafkaAdminClient, settings: Settings) -> tuple[list[TopicSpec], dict[str, Existing]]:
    names = [spec.name for spec in plan(settings)]
    answered = {one["topic"]: one for one in await admin.describe_topics(names)}
    described = {name: one for name, one in answered.items() if not one["error_code"]}
    configs = await _configs(admin, list(described))
    allowed_to = await allowed_operations(admin, list(described)) if described else {}
    existing = {
        name: Existing(len(one["partitions"]), configs.get(name, {}), allowed_to.get(name))
        for name, one in described.items()
    }
    existing |= {
        name: Existing(0, {}, is_hidden=True)
        for name, one in answered.items()
        if one["error_code"] == TopicAuthorizationFailedError.errno
    }
    source = existing.get(settings.input_topic)
    allowed = source.configs.get("max.message.bytes") if source else None
    return plan(settings, int(allowed) if allowed else DEFAULT_MESSAGE_BYTES), existing


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the configuration of each topic, without those that we may not see."""
    if not names:
        return {}
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for error_code, _, _, name, entries in answer.resources
        if not error_code
    }


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    new = [NewTopic(spec.name, spec.partitions, spec.replication, topic_configs=spec.created_with()) for spec in specs]
    answer = await admin.create_topics(new)
    for topic, code, *text in answer.topic_errors:
        if code and code != TopicAlreadyExistsError.errno:
            raise ConfigError(
                where=topic,
                problem=f"it could not be created: {text[0] if text and text[0] else for_code(code).__name__}",
                fix=ACLS_FIX
                if code == TopicAuthorizationFailedError.errno
                else "see LEADSCORE_REPLICATION and LEADSCORE_PARTITIONS, or create it by hand (`leadscore topics plan`)",
            )
    deadline = Deadline(_SHOWN_WITHIN_S)
    names = [spec.name for spec in specs]
    # A new topic is usable once each partition has a leader; metadata follow the creation by some moments.
    while not deadline.has_passed:
        described = await admin.describe_topics(names)
        if all(not one["error_code"] and all(p["leader"] >= 0 for p in one["partitions"]) for one in described):
            return
        await asyncio.sleep(0.1)
