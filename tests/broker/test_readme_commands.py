"""What a text tells people to do with a Kafka, done in its order: topics, a worker, events, reading what comes out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.support.doc_blocks import TEXTS, Block, Reader, blocks_of, difference
from tests.support.kafka import fresh, read_all, wait_until
from worker.demo.loopback import free_ports

TOLD = [text for text in TEXTS if any("broker" in block.words for block in blocks_of(text))]

README = "README.md"
ROOT = Path(__file__).parents[2]


class Story:
    """One text, with topics, a group and a port of its own; the output shows the names that the text uses."""

    def __init__(self, text: str, brokers: str, directory: Path) -> None:
        (port,) = free_ports(1)
        self.blocks = blocks_of(text)
        self.app_id = fresh("readme")
        self.qualifications = f"{self.app_id}-out"
        self._readiness = f"http://127.0.0.1:{port}/readyz"
        self._log = directory / "background.log"
        names = {
            "lead-interactions-dlq": f"{self.app_id}-dead",
            "lead-interactions": f"{self.app_id}-in",
            "lead-qualifications": self.qualifications,
            "lead-scores": f"{self.app_id}-scores",
            "lead-scoring": self.app_id,  # the last: the other names begin with it
        }
        environ = {
            "LEADSCORE_APP_ID": self.app_id,
            "LEADSCORE_INPUT_TOPIC": names["lead-interactions"],
            "LEADSCORE_QUALIFICATIONS_TOPIC": names["lead-qualifications"],
            "LEADSCORE_SCORES_TOPIC": names["lead-scores"],
            "LEADSCORE_DLQ_TOPIC": names["lead-interactions-dlq"],
            "LEADSCORE_WEB_PORT": str(port),
        }
        environ |= {"LEADSCORE_BROKERS": brokers, "LEADSCORE_ERASURE_KEY": "0123456789abcdef0123456789abcdef"}
        replaced = {"localhost:9092": brokers, "127.0.0.1:6066": f"127.0.0.1:{port}", **names}
        self._reader = Reader(directory, self.blocks, environ, replaced)

    def tell(self) -> None:
        """Run the blocks in order; what runs in the background is ready before the next, and ends well at the end."""
        running: list[Popen[bytes]] = []
        with _ended(running, self._log):
            for block in self.blocks:
                if "background" in block.words:
                    running.append(self._reader.start(block, self._log))
                    self._wait_ready(running[-1])
                elif _is_step(block):
                    self._reader.run(block)

    def _wait_ready(self, process: Popen[bytes]) -> None:
        def is_ready() -> bool:
            assert process.poll() is None, self._log.read_text("utf-8")
            try:
                with urllib.request.urlopen(self._readiness, timeout=2) as answer:  # noqa: S310 - our own port
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        asyncio.run(wait_until(is_ready, within_s=60, what="a worker that is ready"))


def _is_step(block: Block) -> bool:
    return "broker" in block.words and block.language in {"sh", "python"}


@contextmanager
def _ended(running: list[Popen[bytes]], log: Path) -> Iterator[None]:
    try:
        yield
        for process in running:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read_text("utf-8")
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("text", TOLD)
def test_commands_with_a_broker_do_what_the_text_shows(text: str, brokers: str, tmp_path: Path) -> None:
    """If this fails, a newcomer's first hour ends with an error."""
    story = Story(text, brokers, tmp_path)
    story.tell()
    shown = [json.loads(block.content) for block in story.blocks if "qualification" in (block.option("schema") or "")]
    read = asyncio.run(read_all(brokers, story.qualifications))
    told = [json.loads(record.value or b"") for records in read.values() for record in records]
    for one in shown:
        one["event"]["topic"] = f"{story.app_id}-in"
        assert one in told, "the transition that the text shows was not published like that"


@pytest.mark.timeout(240)
def test_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    """The first output that a stranger compares; figures and people differ."""
    (block,) = (one for one in blocks_of(README) if one.content == "make demo\n")
    assert block.output is not None
    command = [sys.executable, "-m", "worker.cli.main", "demo", "--seconds", "10"]
    environ = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "80"}
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=200, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    problem = difference(block.output, ran.stdout)
    assert not problem, problem
