"""What a user of Kafka must be allowed to do, command by command: no more than that, and nothing less."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from worker.settings import Settings

Resource = Literal["topic", "group", "transactional-id"]
Pattern = Literal["literal", "prefixed"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]
"""Operations by their names in `kafka-acls`; Read and Write include Describe."""


class Grant(NamedTuple):
    """One permission: *operation* on the resource *name*, or on every one whose name begins so."""

    resource: Resource
    name: str
    operation: Operation
    why: str
    pattern: Pattern = "literal"


def grants(settings: Settings, command: str) -> tuple[Grant, ...]:
    """
    Return what *command*, one of COMMANDS, needs with *settings*, each once.

    Raises:
        KeyError: there is no such command, or it does not talk to Kafka.
    """
    return tuple(dict.fromkeys(_GRANTS[command](settings)))


def acl_lines(wanted: Iterable[Grant], principal: str, brokers: str) -> list[str]:
    """
    Return a `kafka-acls` command for each resource of *wanted*.

    Args:
        wanted: What to allow.
        principal: Whom to allow it, such as `User:leadscore`.
        brokers: Where an administrator reaches the cluster.
    """
    operations: dict[tuple[Resource, str, Pattern], list[Operation]] = {}
    for one in wanted:
        of_it = operations.setdefault((one.resource, one.name, one.pattern), [])
        if one.operation not in of_it:
            of_it.append(one.operation)
    return [
        f"kafka-acls --bootstrap-server {brokers} --add --allow-principal {_quoted(principal)}"
        + "".join(f" --operation {operation}" for operation in of_it)
        + f" --{resource} {name}"
        + (" --resource-pattern-type prefixed" if pattern == "prefixed" else "")
        for (resource, name, pattern), of_it in operations.items()
    ]


def _quoted(principal: str) -> str:
    return principal if principal.replace(":", "").isalnum() else "'" + principal.replace("'", "'\\''") + "'"


def _run(settings: Settings) -> Iterator[Grant]:
    source, changelog = settings.input_topic, settings.changelog_topic
    yield Grant("topic", source, "Read", "events to score")
    yield Grant("topic", source, "Write", "records that lie in another partition than their key's are sent on to it")
    yield from (
        Grant("topic", topic, "Write", why)
        for topic, why in (
            (settings.qualifications_topic, "transitions"),
            (settings.scores_topic, "current scores"),
            (settings.dlq_topic, "records that hold no event"),
            (changelog, "every change of state"),
        )
        if topic
    )
    yield Grant("topic", changelog, "Read", "the restore of state")
    for topic in _topics(settings):
        yield Grant("topic", topic, "DescribeConfigs", "a wrong clean-up policy is refused at start")
    yield Grant("group", settings.app_id, "Read", "membership and committed offsets")
    if settings.guarantee == "exactly_once":
        yield Grant("transactional-id", f"{settings.app_id}-", "Write", "one transaction a round", "prefixed")
    if settings.create_topics:
        yield from _create(settings)


def _check(settings: Settings) -> Iterator[Grant]:
    for topic in _topics(settings):
        yield Grant("topic", topic, "Describe", "partitions")
        yield Grant("topic", topic, "DescribeConfigs", "clean-up policy and record size")


def _create(settings: Settings) -> Iterator[Grant]:
    for topic in _topics(settings):
        yield Grant("topic", topic, "Create", "topics that are missing")
    yield from _check(settings)


def _topics(settings: Settings) -> tuple[str, ...]:
    topics = (
        settings.input_topic,
        settings.qualifications_topic,
        settings.scores_topic,
        settings.dlq_topic,
        settings.changelog_topic,
    )
    return tuple(filter(None, topics))


def _send(settings: Settings) -> Iterator[Grant]:
    yield Grant("topic", settings.input_topic, "Write", "events")


def _replay(settings: Settings) -> Iterator[Grant]:
    yield Grant("topic", settings.input_topic, "Read", "history; of another topic that is replayed, the same")


def _dump(settings: Settings) -> Iterator[Grant]:
    yield Grant("topic", settings.changelog_topic, "Read", "stored state")


def _lag(settings: Settings) -> Iterator[Grant]:
    yield Grant("group", settings.app_id, "Describe", "members and committed offsets")
    yield Grant("topic", settings.input_topic, "Read", "the age of the first record that waits")


def _letters(settings: Settings) -> Iterator[Grant]:
    yield Grant("topic", settings.dlq_topic, "Read", "dead letters")


def _letters_again(settings: Settings) -> Iterator[Grant]:
    name = f"{settings.app_id}-dlq-replay"
    yield from _letters(settings)
    yield Grant("topic", settings.input_topic, "Write", "dead letters, sent again")
    yield Grant("group", name, "Read", "what was sent again already")
    if settings.guarantee == "exactly_once":
        yield Grant("transactional-id", name, "Write", "letters and offsets in one step")


def _standing(settings: Settings) -> Iterator[Grant]:
    yield Grant("topic", settings.input_topic, "Describe", "first and last offset")
    yield Grant("topic", settings.changelog_topic, "Read", "where each partition stands")


def _position(settings: Settings) -> Iterator[Grant]:
    yield from _standing(settings)
    yield Grant("topic", settings.changelog_topic, "Write", "the row that says where a partition stands")
    if settings.guarantee == "exactly_once":
        yield Grant(
            "transactional-id", f"{settings.app_id}-", "Write", "takes the partition from its worker", "prefixed"
        )


def _drop(settings: Settings) -> Iterator[Grant]:
    yield from _position(settings)
    if settings.guarantee == "at_least_once":
        yield from _lag(settings)  # whether the workers are stopped


def _erase(settings: Settings) -> Iterator[Grant]:
    yield Grant("topic", settings.input_topic, "Write", "the erasure")
    yield Grant("topic", settings.changelog_topic, "Read", "whether it is carried out")


def _export(settings: Settings) -> Iterator[Grant]:
    for topic in _topics(settings):
        yield Grant("topic", topic, "Read", "everything that is held about a person")


_GRANTS = {
    "run": _run,
    "topics check": _check,
    "topics create": _create,
    "topics epoch": _position,
    "send": _send,
    "replay": _replay,
    "lag": _lag,
    "dlq list": _letters,
    "dlq show": _letters,
    "dlq replay": _letters_again,
    "offsets show": _standing,
    "offsets skip": _position,
    "model drop": _drop,
    "contact show": _dump,
    "contact dump": _dump,
    "contact export": _export,
    "contact erase": _erase,
}

COMMANDS: tuple[str, ...] = tuple(_GRANTS)
"""Every command that talks to Kafka."""
