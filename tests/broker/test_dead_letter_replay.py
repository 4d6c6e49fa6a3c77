"""Dead letters sent again by operators who get in each other's way, or are cut off: each once, whatever happens."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.kafka import Sent, create_topics, fresh, produce_all, read_all, wait_until
from tests.support.worker_process import ROOT
from worker.contracts.dead_letter import dead_letter_headers
from worker.contracts.partitioner import partition_of

PARTITIONS = 2
LETTERS = 600


class Desk:
    """An input topic, its dead letters, and commands over both; no worker runs."""

    def __init__(self, brokers: str, directory: Path) -> None:
        self.brokers = brokers
        self.directory = directory
        self.source = fresh("in")
        self.environ = {
            "LEADSCORE_BROKERS": brokers,
            "LEADSCORE_APP_ID": fresh("scoring"),
            "LEADSCORE_INPUT_TOPIC": self.source,
            "PYTHONPATH": str(ROOT),
        }

    async def fill(self) -> None:
        await create_topics(self.brokers, {self.source: PARTITIONS, f"{self.source}-dlq": PARTITIONS})
        await produce_all(self.brokers, f"{self.source}-dlq", [self._letter(number) for number in range(LETTERS)])

    def _letter(self, number: int) -> Sent:
        key = f"contact {number % 7}".encode()
        partition = partition_of(key, PARTITIONS)
        headers = dead_letter_headers(
            (), code=f"event.{'bad_time' if number % 3 else 'not_json'}", path="$", problem="p", topic=self.source,
            partition=partition, offset=number, timestamp_ms=1,
        )  # fmt: skip
        return Sent(partition, key, f"letter {number}".encode(), headers)

    async def start(self, *options: str) -> asyncio.subprocess.Process:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LEADSCORE_")}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "worker.cli.main", "dlq", "replay", "--yes", *options,
            env=kept | self.environ, cwd=self.directory,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def finish(self, process: asyncio.subprocess.Process) -> tuple[int, str]:
        _, err = await asyncio.wait_for(process.communicate(), 120)
        return process.returncode or 0, err.decode()

    async def sent(self) -> Counter[Any]:
        """Return how often each letter lies in the input topic, as readers of what is committed see it."""
        records = [one for each in (await read_all(self.brokers, self.source)).values() for one in each]
        assert all(one.partition == partition_of(one.key, PARTITIONS) for one in records)
        return Counter(one.value for one in records)


def each_once() -> Counter[Any]:
    return Counter(f"letter {number}".encode() for number in range(LETTERS))


def test_replay_that_is_killed_is_gone_on_with(brokers: str, tmp_path: Path) -> None:
    """If this fails, an operator who loses the connection has to choose between lost and doubled."""

    async def go() -> None:
        desk = Desk(brokers, tmp_path)
        await desk.fill()
        first = await desk.start("--rate", "100")

        async def has_begun() -> bool:
            return len(await desk.sent()) >= 100

        await wait_until(has_begun, within_s=60, what="the first letters sent")
        first.kill()
        await desk.finish(first)
        before = len(await desk.sent())
        assert before < LETTERS
        code, err = await desk.finish(await desk.start())
        assert code == 0, err
        assert await desk.sent() == each_once()

    asyncio.run(go())


def test_two_replays_at_once_send_nothing_twice(brokers: str, tmp_path: Path) -> None:
    async def go() -> None:
        desk = Desk(brokers, tmp_path)
        await desk.fill()
        both = await asyncio.gather(desk.start("--rate", "150"), desk.start("--rate", "150"))
        ends = await asyncio.gather(*(desk.finish(one) for one in both))
        assert {code for code, _ in ends} <= {0, 69}, ends
        assert any(code == 0 for code, _ in ends), ends
        for code, err in ends:
            assert (code == 69) == ("another one of this application has taken over" in err)
        code, err = await desk.finish(await desk.start())
        assert code == 0, err
        assert await desk.sent() == each_once()

    asyncio.run(go())


def test_codes_sent_one_after_the_other_are_remembered_apart(brokers: str, tmp_path: Path) -> None:
    async def go() -> None:
        desk = Desk(brokers, tmp_path)
        await desk.fill()
        for options in (["--code", "event.not_json"], ["--code", "event.not_json"], ["--from", "0", "--to", "50"], []):
            code, err = await desk.finish(await desk.start("--rate", "0", *options))
            assert code == 0, err
        assert await desk.sent() == each_once()

    asyncio.run(go())
