from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.support.small import DAY, HOUR, START, event_value
from tests.support.small_history import lines_of, need_regression, visitors
from worker.cli.model_fit import fit
from worker.scoring.model_file import load_model

OTHER = {
    "model": "by-hand",
    "version": 1,
    "rules": [{"rule": "demo", "when": {"type": "demo.requested"}, "points": 60}],
    "qualify": {"when": {"score": {"at_least": 50}}},
}
QUESTION = ("--outcome", "account.activated", "--leave-out", "contract.signed", "--within", "14d", "--ages", "1d,5d")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "history.jsonl.gz").write_bytes(gzip.compress(b"\n".join([*lines_of(visitors(900)), b"no event"])))
    (tmp_path / "by-hand.yaml").write_text(json.dumps(OTHER))
    return tmp_path


def run(folder: Path, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(fit)
    return CliRunner().invoke(
        app, [str(folder / "history.jsonl.gz"), *arguments], env={"NO_COLOR": "1", "COLUMNS": "200"}
    )


def test_the_model_is_written_and_judged_beside_another(folder: Path) -> None:
    need_regression()
    out = folder / "fitted.yaml"
    result = run(
        folder,
        *QUESTION,
        "--name",
        "fitted",
        "--out",
        str(out),
        "--beside",
        str(folder / "by-hand.yaml"),
        "--draws",
        "20",
    )
    assert result.exit_code == 0, result.output
    assert load_model(str(out)).name == "fitted"
    text = out.read_text()
    assert "# judged     on " in text
    assert "# left out   all events at or after contract.signed" in text
    for part in ("precision [95 % interval]", "by-hand", "event count", "regression, not rounded", "picked blindly"):
        assert part in result.stdout
    assert "1 line holds no event: event.not_json" in result.stderr


def test_without_a_file_the_model_is_all_that_stands_on_standard_output(folder: Path) -> None:
    need_regression()
    result = run(folder, *QUESTION, "--draws", "5")
    assert result.exit_code == 0, result.output
    (folder / "copy.yaml").write_text(result.stdout)
    assert load_model(str(folder / "copy.yaml")).name == "proposed"
    assert "event count" in result.stderr


def test_json_is_for_programs(folder: Path) -> None:
    need_regression()
    out = str(folder / "fitted.yaml")
    told = json.loads(run(folder, *QUESTION, "--out", out, "--draws", "5", "--output", "json").stdout)
    assert set(told["at_ages"][0]["contenders"]) >= {"proposed", "event count"}


def test_a_model_is_written_even_where_nobody_can_be_judged(folder: Path) -> None:
    need_regression()
    result = run(
        folder,
        *QUESTION,
        "--train-until",
        "2026-03-10T00:00:00Z",
        "--judge-from",
        "2027-01-01T00:00:00Z",
        "--draws",
        "5",
    )
    assert result.exit_code == 0, result.output
    assert "not judged: the later slice has no contact" in result.stderr
    assert result.stdout.startswith("# proposed: proposed by")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((*QUESTION, "--target-volume", "20%", "--target-precision", "0.5"), "not both"),
        ((*QUESTION, "--target-volume", "many"), "is no share"),
        ((*QUESTION, "--target-volume", "2.5"), "is no share"),
        ((*QUESTION, "--target-precision", "100%"), "is no share"),
        ((*QUESTION, "--name", "Not A Name"), "lower case letters"),
        ((*QUESTION[:4], "--within", "5d"), "last age"),
        ((*QUESTION[:4], "--within", "soon"), "no duration"),
        ((*QUESTION[:4], "--ages", "0d"), "above 0"),
    ],
)
def test_a_question_that_makes_no_sense_is_a_usage_error(folder: Path, arguments: tuple[str, ...], reason: str) -> None:
    result = run(folder, *arguments)
    assert result.exit_code == 2
    assert reason in " ".join(result.output.replace("│", " ").split())


def test_a_question_that_the_history_cannot_answer_is_one_too(folder: Path) -> None:
    need_regression()
    for arguments, reason in (
        (("--outcome", "activated"), "no event of type activated in this history"),
        ((*QUESTION, "--train-until", "yesterday"), "is no instant"),
        (
            (*QUESTION, "--train-until", "2026-02-10T00:00:00Z", "--judge-from", "2026-02-01T00:00:00Z"),
            "what it has seen",
        ),
    ):
        result = run(folder, *arguments)
        assert result.exit_code == 2
        assert reason in " ".join(result.output.replace("│", " ").split())


def test_a_volume_that_no_threshold_comes_near_is_said(folder: Path) -> None:
    """If this fails, sales gets four times the leads it asked for, and nobody was told."""
    need_regression()
    lines = []
    for place in range(600):  # one in four asks, and all of these are alike
        began_ms = START + 2 * place * HOUR
        lines.append(event_value("signed.up", began_ms, contact=f"v{place}"))
        if place % 4 == 0:
            lines.append(event_value("demo.requested", began_ms + HOUR, contact=f"v{place}"))
        if place % 4 == 0 and place % 12 != 0:
            lines.append(event_value("account.activated", began_ms + 6 * DAY, contact=f"v{place}"))
    (folder / "history.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    wanted = (*QUESTION, "--draws", "5", "--target-volume")
    out = folder / "few.yaml"
    few = run(folder, *wanted, "5%", "--out", str(out))
    assert few.exit_code == 0, few.output
    (said,) = [
        line for line in few.stderr.splitlines() if line.startswith("wanted 5.0%; the nearest threshold reaches 2")
    ]
    assert f"#            {said}" in out.read_text()
    assert "wanted" not in run(folder, *wanted, "25%").stderr


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_read(folder: Path) -> None:
    (folder / "history.jsonl.gz").write_bytes(b"\x1f\x8b cut off")
    result = run(folder, *QUESTION, "--out", str(folder / "missing" / "m.yaml"))
    assert result.exit_code == 2
    assert "m.yaml cannot be written: No such file or directory" in result.stderr


def test_a_file_that_exists_is_not_overwritten(folder: Path) -> None:
    result = run(folder, *QUESTION, "--out", str(folder / "by-hand.yaml"))
    assert result.exit_code == 2
    assert json.loads((folder / "by-hand.yaml").read_text()) == OTHER


def test_without_the_extra_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    result = run(folder, *QUESTION)
    assert result.exit_code == 2
    assert "pip install 'lead-scoring-worker[fit]'" in result.stderr
