"""What the topics of a worker must be like, and what is wrong with those that exist; it talks to nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from worker.kafka.topic_advice import advice

if TYPE_CHECKING:
    from worker.kafka.acls import Grant
    from worker.settings import Settings

CREATE_FIX = "create it with `leadscore topics create`"
ACLS_FIX = "allow it; `leadscore topics acls` lists what a worker's user needs"

Role = Literal["input", "qualifications", "scores", "dead letters", "changelog"]

DEFAULT_MESSAGE_BYTES = 1_048_588  # the broker's default
_DEAD_LETTER_HEADERS_BYTES = 64 * 1024
_CHANGELOG_MESSAGE_BYTES = 2 * 1024 * 1024
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it has to be. *configs* are what it is created with; a check looks at what correctness hangs on."""

    role: Role
    name: str
    partitions: int
    replication: int
    cleanup: Literal["delete", "compact"]
    configs: Mapping[str, str] = field(default_factory=dict)
    least_message_bytes: int = 0  # what max.message.bytes has to allow

    def created_with(self) -> dict[str, str]:
        """Return every configuration that the topic is created with."""
        replicas = str(max(1, self.replication - 1))  # one broker may be away and writes go on
        return {"cleanup.policy": self.cleanup, "min.insync.replicas": replicas, **self.configs}


class Existing(NamedTuple):
    """A topic as it is."""

    partitions: int
    configs: Mapping[str, str]  # empty when we may not see them
    operations: frozenset[str] | None = None  # what this user may do with it; None: the brokers do not say
    is_hidden: bool = False  # this user may not see it, if it is there


class Finding(NamedTuple):
    """Something about a topic that keeps a worker from running, or that an operator may regret."""

    topic: str
    problem: str
    fix: str


def plan(settings: Settings, source_message_bytes: int = DEFAULT_MESSAGE_BYTES) -> list[TopicSpec]:
    """
    Return the topics that *settings* call for, the input first.

    Args:
        settings: Names, partitions and replication.
        source_message_bytes: The input topic's max.message.bytes; dead letters are as large, and carry more headers.
    """
    count, replicas = settings.partitions, settings.replication
    dead_letter_bytes = source_message_bytes + _DEAD_LETTER_HEADERS_BYTES
    specs = [
        TopicSpec(
            "input",
            settings.input_topic,
            count,
            replicas,
            "delete",
            # A producer's clock must not decide how far into the future its events may lie.
            {"message.timestamp.type": "LogAppendTime"},
        ),
        TopicSpec(
            "qualifications",
            settings.qualifications_topic,
            count,
            replicas,
            "delete",
            {"retention.ms": str(365 * _DAY_MS)},
        ),
        TopicSpec("scores", settings.scores_topic, count, replicas, "compact"),
        TopicSpec(
            "dead letters",
            settings.dlq_topic,
            count,
            replicas,
            "delete",
            {"retention.ms": str(30 * _DAY_MS), "max.message.bytes": str(dead_letter_bytes)},
            dead_letter_bytes,
        ),
        TopicSpec(
            "changelog",
            settings.changelog_topic,
            count,
            replicas,
            "compact",
            # The lag keeps a good row for an hour beside one that a worker wrote which was cut off.
            {"max.message.bytes": str(_CHANGELOG_MESSAGE_BYTES), "min.compaction.lag.ms": str(_HOUR_MS)},
            _CHANGELOG_MESSAGE_BYTES,
        ),
    ]
    return [spec for spec in specs if spec.name]


def judge(specs: Sequence[TopicSpec], existing: Mapping[str, Existing], needed: Sequence[Grant] = ()) -> list[Finding]:
    """
    Return what is wrong with *existing*, in the order of *specs*. The input's partition count is the measure for all.

    *needed* is what a worker's user must be allowed to do with the topics.
    """
    source = existing.get(specs[0].name)
    count = specs[0].partitions if source is None or source.is_hidden else source.partitions
    found: list[Finding] = []
    for spec in specs:
        there = existing.get(spec.name)
        if there is None:
            found.append(Finding(spec.name, f"the {spec.role} topic does not exist", CREATE_FIX))
            continue
        needs = dict.fromkeys(one.operation for one in needed if (one.resource, one.name) == ("topic", spec.name))
        if there.is_hidden:
            found.append(Finding(spec.name, f"this user may not see it; it needs {', '.join(needs)}", ACLS_FIX))
            continue
        if there.operations is not None:
            lacking = [operation for operation in needs if operation not in there.operations]
            found += [
                Finding(spec.name, f"this user lacks the permission {operation}", ACLS_FIX) for operation in lacking
            ]
        if there.partitions != count:
            found.append(
                Finding(
                    spec.name,
                    f"it has {there.partitions} partitions, {specs[0].name} has {count}",
                    "make it anew with as many; a contact's records must lie in partitions of one number everywhere",
                )
            )
        found += _judge_configs(spec, there.configs)
    return found


def _judge_configs(spec: TopicSpec, configs: Mapping[str, str]) -> list[Finding]:
    found = []
    policy = configs.get("cleanup.policy")
    if policy is not None and policy != spec.cleanup:
        lost = "compaction loses all but one record a contact" if spec.cleanup == "delete" else "state would be deleted"
        found.append(Finding(spec.name, f"cleanup.policy is {policy}: {lost}", f"set cleanup.policy={spec.cleanup}"))
    allowed = configs.get("max.message.bytes")
    if allowed is not None and int(allowed) < spec.least_message_bytes:
        found.append(
            Finding(
                spec.name,
                f"max.message.bytes is {allowed}, records of up to {spec.least_message_bytes} are written",
                f"set max.message.bytes={spec.least_message_bytes}",
            )
        )
    return found


def advise(specs: Sequence[TopicSpec], existing: Mapping[str, Existing]) -> list[Finding]:
    """Return what an operator may regret of *existing*, in the order of *specs*."""
    return [
        Finding(spec.name, problem, fix)
        for spec in specs
        if spec.name in existing
        for problem, fix in advice(spec.role, existing[spec.name].configs)
    ]
