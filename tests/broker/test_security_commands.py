"""Every command under the permissions that are listed for it and nothing else, and with one of them less."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.cluster import PARTITIONS, Cluster
from tests.support.feeding import send_now
from tests.support.history_run import sent_records
from tests.support.kafka import Sent
from tests.support.secure_kafka import SecureBroker, ended_command, secured_cluster
from tests.support.simulated import MODEL, simulated_lines
from worker.contracts.event_decoding import decode_event
from worker.kafka.acls import COMMANDS, grants

pytestmark = pytest.mark.timeout(300)

LINES = simulated_lines(200, days=30, contacts=80, seed=31)
CONTACT = decode_event(LINES[0], None).contact_id


def commands(source: str) -> Mapping[str, Sequence[str]]:
    """Return how each command is called so that it has something to do."""
    return {
        "topics check": (),
        "topics create": (),
        "topics epoch": ("--raise", "--yes"),
        "send": ("--contact", "somebody", "--type", "page.viewed"),
        "replay": (f"topic:{source}", "--model", MODEL),
        "lag": (),
        "dlq list": (),
        "dlq show": ("0:0",),
        "dlq replay": ("--yes",),
        "offsets show": (),
        "offsets skip": ("0:0", "--yes"),
        "model drop": ("of-last-year", "--yes"),
        "contact show": (CONTACT,),
        "contact dump": ("--out", "dumped"),
        "contact export": (CONTACT, "--out", "exported.json"),
        "contact erase": (CONTACT, "--yes"),
    }


UNASKED = {
    ("topics check", "Describe"),  # a finding, exit 1
    ("topics check", "DescribeConfigs"),
    ("topics create", "Create"),  # there are all
    ("topics create", "DescribeConfigs"),
    ("offsets skip", "Write"),  # there is nothing to pass over; `topics epoch` needs the same
    ("model drop", "Write"),  # there is nothing to drop
    ("contact erase", "Read"),  # only when it is waited for
}
"""What a command gets along without as it is called here."""


@asynccontextmanager
async def with_history(broker: SecureBroker, directory: Path) -> AsyncIterator[Cluster]:
    """Yield a cluster that has worked and stands still, whose user may do nothing."""
    async with secured_cluster(broker, directory) as cluster:
        cluster.start("worker")
        await cluster.wait_ready("worker")
        bad = [Sent(number % PARTITIONS, b"c", b"no event") for number in range(8)]
        await send_now(broker.bootstrap_servers, cluster.source, [*sent_records(LINES), *bad])
        await cluster.settled()
        await cluster.stop()
        await broker.forbid(grants(cluster.settings, "run"))
        yield cluster


def test_the_list_has_every_command_that_talks_to_kafka() -> None:
    assert set(commands("")) | {"run"} == set(COMMANDS)


async def _needs_no_more(broker: SecureBroker, directory: Path) -> None:
    async with with_history(broker, directory) as cluster:
        for command, arguments in commands(cluster.source).items():
            its = grants(cluster.settings, command)
            await broker.allow(its)
            ended = await asyncio.to_thread(
                ended_command, directory, cluster.environ, *command.split(), *arguments, within_s=90
            )
            await broker.forbid(its)
            print(command, ended.code, ended.said[-200:].replace("\n", " | "))
            assert ended.code == (1 if command == "topics check" else 0), (command, ended)
            if command == "topics check":
                assert "lacks the permission Write" in ended.said


def test_a_command_needs_no_more_than_what_is_listed(secure: SecureBroker, tmp_path: Path) -> None:
    asyncio.run(_needs_no_more(secure, tmp_path))


async def _tells_what_is_lacking(broker: SecureBroker, directory: Path) -> None:
    async with with_history(broker, directory) as cluster:
        wrong = []
        for command, arguments in commands(cluster.source).items():
            its = grants(cluster.settings, command)
            for one in its:
                if (command, one.operation) in UNASKED:
                    continue
                await broker.allow([other for other in its if other != one])
                ended = await asyncio.to_thread(
                    ended_command, directory, cluster.environ, *command.split(), *arguments, within_s=90
                )
                await broker.forbid(its)
                print(f"{command:<16}{one.resource:<17}{one.operation:<10}{ended.code:<4}{ended.said[-170:]!r}")
                # A user who may write to no topic at all is refused before any topic is named.
                names_it = one.name.rstrip("-") in ended.said or (
                    one.operation == "Write" and "any topic" in ended.said
                )
                names_it = names_it and not any(word in ended.said for word in ("Traceback", "Unclosed"))
                if ended.code != 78 or not names_it:
                    wrong.append((command, one.resource, one.operation, one.name, ended))
        assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.faults
def test_a_command_says_which_permission_it_lacks(secure: SecureBroker, tmp_path: Path) -> None:
    asyncio.run(_tells_what_is_lacking(secure, tmp_path))
