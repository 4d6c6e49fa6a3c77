"""Every way to log in to Kafka, with the whole worker; and every way to be refused, with what the operator gets to read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.certificates import Issued, serial_number
from tests.support.comparing import as_file, differing_rows, listed, replayed
from tests.support.feeding import send_now
from tests.support.history_run import end_marks, sent_records
from tests.support.kafka import read_all
from tests.support.secure_kafka import PASSWORD, Ended, Listener, SecureBroker, ended_command, secured_cluster
from tests.support.simulated import MODEL, simulated_lines
from worker.contracts.instants import format_instant, parse_instant
from worker.kafka.acls import grants

pytestmark = pytest.mark.timeout(240)

WAYS_IN = (
    ("secure", "SCRAM-SHA-512"),
    ("mutual", ""),
    pytest.param("secure", "SCRAM-SHA-256", marks=pytest.mark.faults),
    pytest.param("secure", "PLAIN", marks=pytest.mark.faults),
    pytest.param("clear", "SCRAM-SHA-512", marks=pytest.mark.faults),
)
"""Two of them, with and without SASL, go through on every change."""


# ---- let in


async def _works(broker: SecureBroker, directory: Path, listener: Listener, mechanism: str) -> None:
    lines = simulated_lines(600, days=30, contacts=150, seed=11)
    expected = await replayed(lines, MODEL, directory / "replay")
    marks = end_marks(expected.end_ms + expected.model.lateness_ms)
    async with secured_cluster(broker, directory, listener=listener, mechanism=mechanism) as cluster:
        for command in ("send", "replay", "contact dump", "topics check"):
            await broker.allow(grants(cluster.settings, command))
        await cluster.command("topics", "check")
        worker = cluster.start("worker")
        await cluster.wait_ready("worker")
        half = directory / "half.jsonl"
        half.write_bytes(b"\n".join(lines[:300]))
        await cluster.command("send", str(half))
        await cluster.settled()
        await cluster.stop()

        heir = cluster.start("worker", wipe=True)
        await cluster.wait_ready("worker")
        assert heir.events("restore_complete")[0]["rows"] > 0
        await send_now(broker.bootstrap_servers, cluster.source, [*sent_records(lines[300:]), *marks])
        await cluster.settled()
        told = await read_all(broker.bootstrap_servers, cluster.qualifications)
        assert as_file(told) == expected.transitions
        assert expected.transitions

        end = format_instant(expected.end_ms)
        await cluster.command("contact", "dump", "--out", str(directory / "dump"))
        await cluster.command(
            "replay", f"topic:{cluster.source}", "--model", MODEL, "--as-of", end, "--out", str(directory / "again")
        )
        for folder in ("dump", "again"):
            scores = (directory / folder / "scores.csv").read_bytes()
            assert scores == expected.scores, listed(differing_rows(expected.scores, scores))
        await cluster.stop()
        assert not any(PASSWORD in one.log_text() for one in (worker, heir))


@pytest.mark.parametrize(("listener", "mechanism"), WAYS_IN)
def test_worker_and_commands_work_over_every_way_in(
    secure: SecureBroker, tmp_path: Path, listener: Listener, mechanism: str
) -> None:
    """If this fails, a cluster that asks for this log-in cannot have a worker, or gets wrong scores from it."""
    asyncio.run(_works(secure, tmp_path, listener, mechanism))


# ---- refused

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("run",),
    ("topics", "check"),
    ("topics", "create"),
    ("send", "--contact", "c", "--type", "page.viewed"),
    ("contact", "dump", "--out", "dumped"),
    ("replay", "topic:lead-interactions", "--model", MODEL),
)


class Refusal(NamedTuple):
    """A way to be refused: where, what is changed, and what has to be said."""

    listener: Listener
    changes: dict[str, str]
    where: str
    problem: str


WRONG = "canary-wrong-password"


def refusals(broker: SecureBroker) -> dict[str, Refusal]:
    expired = broker.authority.issue("leadscore", names=[], file_name="leadscore-expired", is_expired=True)
    foreign = broker.stranger.issue("leadscore", names=[])
    ours = "LEADSCORE_SSL_CERTIFICATE_LOCATION"

    def shows(one: Issued) -> dict[str, str]:
        return {ours: str(one.certificate), "LEADSCORE_SSL_KEY_LOCATION": str(one.key)}

    return {
        "wrong password": Refusal("secure", {"LEADSCORE_SASL_PASSWORD": WRONG}, "LEADSCORE_SASL_PASSWORD", "refuses"),
        "wrong password in PLAIN": Refusal(
            "secure",
            {"LEADSCORE_SASL_PASSWORD": WRONG, "LEADSCORE_SASL_MECHANISM": "PLAIN"},
            "LEADSCORE_SASL_PASSWORD",
            "refuses",
        ),
        "unknown user": Refusal("clear", {"LEADSCORE_SASL_USERNAME": "nobody"}, "LEADSCORE_SASL_USERNAME", "refuses"),
        "another host's certificate": Refusal("misnamed", {}, "LEADSCORE_BROKERS", "another address"),
        "broker's certificate expired": Refusal("expired", {}, "LEADSCORE_SSL_CA_LOCATION", "run out"),
        "self-signed": Refusal("selfsigned", {}, "LEADSCORE_SSL_CA_LOCATION", "no authority that we trust"),
        "unknown authority": Refusal(
            "secure",
            {"LEADSCORE_SSL_CA_LOCATION": str(broker.stranger.file)},
            "LEADSCORE_SSL_CA_LOCATION",
            "no authority that we trust",
        ),
        "system's authorities": Refusal(
            "secure", {"LEADSCORE_SSL_CA_LOCATION": ""}, "LEADSCORE_SSL_CA_LOCATION", "no authority that we trust"
        ),
        "no certificate of ours": Refusal(
            "mutual", {ours: "", "LEADSCORE_SSL_KEY_LOCATION": ""}, ours, "asks for a certificate"
        ),
        "certificate of ours expired": Refusal("mutual", shows(expired), ours, "does not accept our certificate"),
        "certificate of ours by a stranger": Refusal("mutual", shows(foreign), ours, "does not accept our certificate"),
        "no log-in at that port": Refusal(
            "clear", {"LEADSCORE_BROKERS": broker.bootstrap_servers}, "LEADSCORE_SECURITY_PROTOCOL", "nobody logs in"
        ),
    }


REFUSED_FOR_GOOD = (
    "wrong password", "wrong password in PLAIN", "unknown user", "another host's certificate", "broker's certificate expired",
    "self-signed", "unknown authority", "system's authorities", "no certificate of ours", "certificate of ours expired",
    "certificate of ours by a stranger", "no log-in at that port",
)  # fmt: skip


def assert_said(ended: Ended, refusal: Refusal, command: Sequence[str]) -> None:
    """The operator is told where, what and how to mend it, with exit 78, and nothing secret."""
    assert ended.code == 78, (command, ended)
    assert refusal.where in ended.said, (command, ended)
    assert refusal.problem in ended.said, (command, ended)
    assert "fix:" in ended.said
    assert not any(secret in ended.said for secret in (PASSWORD, WRONG, "PRIVATE KEY", "Traceback"))


@pytest.mark.parametrize("name", REFUSED_FOR_GOOD)
def test_a_refusal_tells_the_operator_what_to_mend_at_once(secure: SecureBroker, tmp_path: Path, name: str) -> None:
    """If this fails, a wrong password looks like a network that is down, and a worker waits for ever."""
    refusal = refusals(secure)[name]
    environ = secure.environ(refusal.listener) | refusal.changes
    for command in (("topics", "check"), ("run",)):
        assert_said(ended_command(tmp_path, environ, *command, within_s=25), refusal, command)


def test_every_command_tells_it(secure: SecureBroker, tmp_path: Path) -> None:
    refusal = refusals(secure)["wrong password"]
    for command in COMMANDS:
        assert_said(ended_command(tmp_path, secure.environ("secure") | refusal.changes, *command), refusal, command)


def test_nobody_can_ask_for_tls_without_verification(secure: SecureBroker, tmp_path: Path) -> None:
    """There is no switch that turns verification off; a typo of one must not pass in silence either."""
    tried = secure.environ("selfsigned") | {"LEADSCORE_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM": "none"}
    ended = ended_command(tmp_path, tried, "topics", "check")
    assert ended.code == 78
    assert "LEADSCORE_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM: not a setting" in ended.said


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("no password for the key", "cannot be used"),
        ("another certificate's key", "cannot be used"),
        ("no PEM", "cannot be used"),
    ],
)
def test_files_that_cannot_be_used_are_told_before_anything_connects(
    secure: SecureBroker, tmp_path: Path, broken: str, problem: str
) -> None:
    """A key with a password must not make OpenSSL ask for it at a terminal: a container would wait for ever."""
    own = secure.authority.issue("locked", names=[], password="canary-sesame")
    other = secure.authority.issue("other", names=[])
    junk = tmp_path / "junk.pem"
    junk.write_text("not a certificate")
    certificate, key = {
        "no password for the key": (own.certificate, own.key),
        "another certificate's key": (own.certificate, other.key),
        "no PEM": (junk, own.key),
    }[broken]
    environ = secure.environ("mutual") | {
        "LEADSCORE_SSL_CERTIFICATE_LOCATION": str(certificate),
        "LEADSCORE_SSL_KEY_LOCATION": str(key),
    }
    ended = ended_command(tmp_path, environ, "topics", "check", within_s=20)
    assert ended.code == 78
    assert "LEADSCORE_SSL_CERTIFICATE_LOCATION" in ended.said
    assert problem in ended.said
    if broken == "no password for the key":
        opened = environ | {"LEADSCORE_SSL_KEY_PASSWORD": "canary-sesame"}
        assert "cannot be used" not in ended_command(tmp_path, opened, "topics", "check").said


# ---- certificates renewed


async def _renewed(broker: SecureBroker, directory: Path) -> None:
    own = broker.authority.issue("leadscore", names=[], file_name="renewed")
    files = {
        "LEADSCORE_SSL_CERTIFICATE_LOCATION": str(own.certificate),
        "LEADSCORE_SSL_KEY_LOCATION": str(own.key),
    }
    lines = simulated_lines(400, days=30, contacts=100, seed=12)
    async with secured_cluster(broker, directory, listener="mutual", **files) as cluster:
        worker = cluster.start("worker", is_supervised=False)
        await worker.wait_ready()
        await send_now(broker.bootstrap_servers, cluster.source, sent_records(lines[:200]))
        await cluster.settled()
        before = serial_number(own.certificate)
        broker.authority.issue("leadscore", names=[], file_name="renewed")
        assert serial_number(own.certificate) != before
        await asyncio.to_thread(broker.restart)  # every connection is made anew, as after hours of idling
        await send_now(broker.bootstrap_servers, cluster.source, sent_records(lines[200:]))
        await cluster.settled()
        assert worker.events("certificates_renewed")

        own.key.write_text("half written")
        await asyncio.to_thread(broker.restart)
        await send_now(broker.bootstrap_servers, cluster.source, end_marks(parse_instant("2026-03-01T00:00:00Z")))
        await cluster.settled()
        assert worker.events("certificates_not_renewed")
        assert worker.exit_code is None, "it goes on with the certificate it has"
        assert await worker.stop() == 0


async def _password_changed(broker: SecureBroker, directory: Path) -> None:
    async with secured_cluster(broker, directory) as cluster:
        secret = directory / "password"
        secret.write_text(PASSWORD)
        del cluster.environ["LEADSCORE_SASL_PASSWORD"]
        cluster.environ["LEADSCORE_SASL_PASSWORD_FILE"] = str(secret)
        worker = cluster.start("worker", is_supervised=False)
        await worker.wait_ready()
        await asyncio.to_thread(broker.change_password, "canary another password")
        try:
            await asyncio.to_thread(broker.restart)
            assert await worker.wait_ended(within_s=60) == 78, worker.log_text()[-2000:]
            (end,) = worker.events("worker_ends")
            assert "LEADSCORE_SASL_PASSWORD" in end["reason"]
            secret.write_text("canary another password")
            again = cluster.start("worker", is_supervised=False)
            await again.wait_ready()
            assert await again.stop() == 0
            assert not any("canary" in one.log_text() for one in (worker, again))
        finally:
            await asyncio.to_thread(broker.change_password, PASSWORD)


@pytest.mark.faults
def test_a_worker_whose_password_was_changed_says_so_and_takes_the_new_one_at_its_restart(
    secure: SecureBroker, tmp_path: Path
) -> None:
    """If this fails, it waits for brokers that refuse it, and looks as if they were down."""
    asyncio.run(_password_changed(secure, tmp_path))


@pytest.mark.faults
def test_a_renewed_certificate_is_used_without_a_restart(secure: SecureBroker, tmp_path: Path) -> None:
    """If this fails, all workers stop together on the day when short-lived certificates run out."""
    asyncio.run(_renewed(secure, tmp_path))
