from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.support.small import START, event_value, rule, small_model
from tests.support.small_worker import SmallWorker
from worker.cli.contact import app
from worker.cli.instants import parse_as_of
from worker.errors import ConfigError
from worker.operations import contact_erase, contact_export, contact_state
from worker.operations.contact_erase import Erasure, Seen
from worker.operations.contact_state import StoredContact
from worker.pipeline import PARTITION_KEY, decode_partition_row
from worker.pipeline.graves import grave_key
from worker.scoring import model_file
from worker.settings import Settings


def test_end_asks_for_the_newest_instant_there_is() -> None:
    assert parse_as_of("END") is None
    assert parse_as_of("2026-03-01T13:00:00+01:00") == 1_772_366_400_000


def test_dump_needs_a_folder() -> None:
    assert CliRunner().invoke(app, ["dump"]).exit_code == 2


def test_dump_without_settings_is_refused_before_anything_connects() -> None:
    result = CliRunner().invoke(app, ["dump", "--out", "somewhere"])
    assert isinstance(result.exception, ConfigError)
    assert "LEADSCORE_BROKERS" in str(result.exception)


@pytest.mark.parametrize("instant", ["end", "now", "2026-03-01"])
def test_instant_without_sense_is_a_usage_error(instant: str) -> None:
    result = CliRunner().invoke(app, ["dump", "--out", "somewhere", "--as-of", instant])
    assert result.exit_code == 2


KEY = "0123456789abcdef"
ENVIRON = {"LEADSCORE_BROKERS": "localhost:1", "LEADSCORE_ERASURE_KEY": KEY}
JANE = "jane-of-canary-street"
MODEL = small_model(rule("act", 60))


def ask(*arguments: str, stdin: str = "", **environ: str) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin, env=ENVIRON | environ)


@pytest.fixture
def changelog(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changelog that knows Jane only."""
    worker = SmallWorker(MODEL, time="stream", erasure_key=KEY.encode())
    worker.take(event_value("act", START, contact=JANE))

    async def read_contact(_: Settings, key: bytes, **__: Any) -> StoredContact:
        row = decode_partition_row(worker.values[PARTITION_KEY])
        return StoredContact(key, 2, "changelog[2]", worker.values.get(key), None, row, {})

    monkeypatch.setattr(contact_state, "read_contact", read_contact)
    monkeypatch.setattr(contact_export, "read_contact", read_contact)
    monkeypatch.setattr(contact_export, "read_topic", lambda *_, **__: iter(()))
    monkeypatch.setattr(model_file, "load_models", lambda _: (MODEL,))


@pytest.mark.usefixtures("changelog")
def test_show_says_what_is_stored() -> None:
    result = ask("show", JANE, "--output", "json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["partition"], document["models"][0]["score"]) == (0, 2, 60)
    text = ask("show", "-", stdin=f"{JANE}\n")
    assert text.exit_code == 0
    assert f"{JANE} under small version 1" in text.stdout


@pytest.mark.usefixtures("changelog")
def test_nobody_is_a_finding() -> None:
    result = ask("show", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing is known" in result.stderr


@pytest.mark.usefixtures("changelog")
def test_export_is_for_its_owner_only_and_the_log_does_not_say_whose_it_is(tmp_path: Path) -> None:
    out = tmp_path / "hers.json"
    result = ask("export", JANE, "--out", str(out))
    assert result.exit_code == 0
    assert out.stat().st_mode & 0o777 == 0o600
    document = json.loads(out.read_text("utf-8"))
    assert document["state"]["models"]["small"][0] == 1  # its version
    assert (document["events"], document["dead_letters"]) == ([], [])
    assert JANE not in result.stderr
    (line,) = [json.loads(one) for one in result.stderr.splitlines() if one.startswith("{")]
    assert line["contact_hash"] == grave_key(JANE.encode(), KEY.encode())[1:].hex()
    assert ask("export", "nobody", "--out", str(out)).exit_code == 1
    assert ask("export", JANE, "--out", str(tmp_path / "no" / "such.json")).exit_code == 2


@pytest.mark.parametrize("contact_id", ["", "x" * 129, "\x00partition", "a\nb"])
@pytest.mark.parametrize("command", ["show", "export", "erase"])
def test_what_no_contact_is_called_is_a_usage_error(command: str, contact_id: str, tmp_path: Path) -> None:
    options = ["--out", str(tmp_path / "out.json")] if command == "export" else []
    assert ask(command, *options, "--", contact_id).exit_code == 2


class Eraser:
    """Stands in for the input topic."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self.sent: list[tuple[str, float]] = []

    async def place(self, settings: Settings, contact_id: str) -> int:
        return 3

    async def erase(self, settings: Settings, contact_id: str, *, wait_s: float) -> Erasure:
        self.sent.append((contact_id, wait_s))
        return Erasure(3, 41, self._seen)


@pytest.fixture
def eraser(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Eraser:
    there = Eraser(getattr(request, "param", "waiting"))
    monkeypatch.setattr(contact_erase, "place_of_erasure", there.place)
    monkeypatch.setattr(contact_erase, "erase", there.erase)
    return there


def test_erase_sends_nothing_without_yes(eraser: Eraser) -> None:
    """If this fails, a slip of the hand forgets somebody for good."""
    result = ask("erase", JANE, "--wait")
    assert (result.exit_code, eraser.sent) == (0, [])
    assert "lead-interactions[3]" in result.stdout
    assert "--yes" in result.stdout


def test_erase_leaves_a_line_with_the_hash_and_without_the_id(eraser: Eraser) -> None:
    result = ask("erase", JANE, "--yes", "--output", "json")
    assert (result.exit_code, eraser.sent) == (0, [(JANE, 0.0)])
    (line,) = [json.loads(one) for one in result.stderr.splitlines() if one.startswith("{")]
    hashed = grave_key(JANE.encode(), KEY.encode())[1:].hex()
    assert (line["event"], line["offset"], line["contact_hash"]) == ("contact_erasure_sent", 41, hashed)
    assert json.loads(result.stdout)["contact_hash"] == hashed
    assert JANE not in result.output


@pytest.mark.parametrize(("eraser", "code"), [("erased", 0), ("newer", 0), ("waiting", 1)], indirect=["eraser"])
def test_waiting_for_nothing_is_a_finding(eraser: Eraser, code: int) -> None:
    assert ask("erase", JANE, "--yes", "--wait", "--within", "5").exit_code == code
    assert eraser.sent == [(JANE, 5.0)]


def test_erase_without_the_key_is_refused_before_anything_is_sent(eraser: Eraser) -> None:
    result = CliRunner().invoke(app, ["erase", JANE, "--yes"], env={"LEADSCORE_BROKERS": "localhost:1"})
    assert isinstance(result.exception, ConfigError)
    assert eraser.sent == []
