"""Words that belong to a contact, and secrets, sent through every path: they come out only where they are meant to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import typer

from tests.broker.test_acceptance_privacy import (
    CANARY,
    PAGES,
    assert_logs_say_nothing,
    assert_says_nothing,
    bad_records,
    good_records,
)
from tests.support.cluster import PARTITIONS, Cluster, leadscore, running_cluster
from tests.support.feeding import send_now
from tests.support.kafka import read_all
from tests.support.secure_kafka import ended_command
from tests.support.simulated import MODEL
from worker.cli.main import app
from worker.settings import load_settings

pytestmark = pytest.mark.timeout(240)

SECRETS = {
    "LEADSCORE_WEB_TOKEN": f"{CANARY}-web-token-0123456789",
    "LEADSCORE_ERASURE_KEY": f"{CANARY}-erasure-key-012345",
}
FREE_OF_CONTACTS = ("LOG", "LOG.old", "OPTIONS", "IDENTITY", "CURRENT", "leadscore.lock")
"""Files of the state directory that are read by operators, or copied into tickets; the others are the state itself."""
RECEIVED = f"{CANARY}-header"


def settings_files(directory: Path) -> dict[str, str]:
    """Return the secrets as files, which is how they stay out of the environment."""
    found = {}
    for name, secret in SECRETS.items():
        file = directory / name
        file.write_text(secret)
        found[f"{name}_FILE"] = str(file)
    return found


async def _looks(cluster: Cluster, directory: Path) -> None:
    worker = cluster.workers["worker"]
    for path in PAGES:
        assert_says_nothing(path, await cluster.page(worker, path))
    port = worker.events("worker_starts")[0]["web_port"]
    async with aiohttp.ClientSession() as session:
        for headers in ({}, {"Authorization": f"Bearer {CANARY}"}, {"Authorization": f"Basic {CANARY}"}):
            url = f"http://127.0.0.1:{port}/contacts/{CANARY}.7@example.org"
            async with session.get(url, headers=headers) as answer:
                assert answer.status in {401, 403}
                assert_says_nothing("a refusal", await answer.read() + str(answer.headers).encode())
        for path in ("/table/contacts/", "/table/contacts/x/", "/router/contacts/x/", "/graph/", "/stats/", "/"):
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                assert (answer.status, await answer.read()) == (404, b"Not Found\n"), path
    proc = Path(f"/proc/{worker.pid}")
    if sys.platform == "linux":
        assert_says_nothing("ps", (proc / "cmdline").read_bytes())
        environ = (proc / "environ").read_bytes().replace(str(directory).encode(), b"")
        assert not any(secret.encode() in environ for secret in SECRETS.values())
    state = [path for path in (directory / "worker").rglob("*") if path.is_file()]
    for file in state:
        assert CANARY not in file.name
        if file.name.startswith(FREE_OF_CONTACTS):
            assert_says_nothing(str(file.relative_to(directory)), file.read_bytes())
    assert any(path.name == "LOG" for path in state)
    assert any(CANARY.encode() in path.read_bytes() for path in state), "the state itself has them: this test can see"


async def _commands_say_nothing(cluster: Cluster, directory: Path, letter: str) -> None:
    for arguments in (
        ("settings",),
        ("settings", "--output", "json"),
        ("topics", "check"),
        ("topics", "acls"),
        ("lag",),
        ("lag", "--output", "json"),
        ("offsets", "show"),
        ("dlq", "list"),
        ("dlq", "list", "--output", "json"),
        ("dlq", "show", letter),
        ("dlq", "replay"),
    ):
        ended = await asyncio.to_thread(ended_command, directory, cluster.environ, *arguments)
        assert ended.code in {0, 1}, (arguments, ended)
        said = ended.said.replace(str(directory), "").replace(
            RECEIVED, ""
        )  # names of headers are shown, values are not
        assert_says_nothing(" ".join(arguments), said)
    broken = directory / "broken.jsonl"
    for value in [record.value for record in bad_records()][::3]:
        broken.write_bytes((value or b"").replace(b"\n", b" "))
        for arguments in (("send", str(broken)), ("replay", str(broken), "--model", MODEL)):
            ended = await asyncio.to_thread(ended_command, directory, cluster.environ, *arguments)
            assert_says_nothing(" ".join(arguments), ended.said)


async def _passes(brokers: str, directory: Path) -> None:
    async with running_cluster(brokers, directory, model=MODEL, LEADSCORE_LOG_LEVEL="DEBUG") as cluster:
        cluster.environ |= {"LEADSCORE_ERASURE_KEY": "", **settings_files(directory)}
        cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        await send_now(brokers, cluster.source, [*good_records(), *bad_records()])
        await cluster.settled()
        await _looks(cluster, directory)
        place = ""
        for number, letters in (await read_all(brokers, cluster.dead_letters)).items():
            for letter in letters:
                place = f"{number}:{letter.offset}"
                ours = [value for name, value in letter.headers if name != RECEIVED]
                assert len(ours) == len(letter.headers) - 1
                assert_says_nothing("headers of a dead letter", b" ".join(ours))
        await _commands_say_nothing(cluster, directory, place)
        await cluster.stop()
        assert_logs_say_nothing(cluster.lives)


def test_canaries_come_out_nowhere_but_in_the_topics(brokers: str, tmp_path: Path) -> None:
    """If this fails, addresses or secrets lie in logs, pages, tickets or process lists."""
    asyncio.run(_passes(brokers, tmp_path))


def test_settings_are_shown_without_their_secrets(tmp_path: Path) -> None:
    environ = {"LEADSCORE_BROKERS": "kafka:9092", **SECRETS}
    for output in ("text", "json"):
        shown = asyncio.run(leadscore("settings", "--output", output, directory=tmp_path, environ=environ))
        assert CANARY not in shown.out + shown.err
    assert CANARY not in repr(load_settings(environ))


def options(command: object, path: str = "leadscore") -> Iterator[tuple[str, str]]:
    """Yield each command and option there is."""
    for one in getattr(command, "params", ()):
        yield from ((path, name) for name in one.opts)
    for name, inner in getattr(command, "commands", {}).items():
        yield from options(inner, f"{path} {name}")


def test_no_option_takes_a_secret() -> None:
    """Whatever stands on a command line is read by everybody on the machine."""
    found = list(options(typer.main.get_command(app)))
    assert len(found) > 50
    secret = ("password", "secret", "token", "key", "credential")
    assert not [one for one in found if any(word in one[1].lower() for word in secret)]


def test_an_error_in_a_secret_does_not_quote_it(tmp_path: Path) -> None:
    for changed in (
        {"LEADSCORE_WEB_TOKEN": CANARY * 300},
        {"LEADSCORE_ERASURE_KEY": CANARY * 30},
        {"LEADSCORE_SASL_PASSWORD": CANARY},
        {"LEADSCORE_STORE": f"redis://user:{CANARY}@host:6379/not-a-number"},
        {"LEADSCORE_STORE": f"redis://user:{CANARY}@"},
    ):
        ended = ended_command(tmp_path, {"LEADSCORE_BROKERS": "kafka:9092", **changed}, "settings")
        assert ended.code == 78, (changed, ended)
        assert CANARY not in ended.said, changed
