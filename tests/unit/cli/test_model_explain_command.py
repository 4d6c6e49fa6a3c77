"""`leadscore model explain`: why a contact's score is what it is, from a file or a case."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from worker.cli.model_explain import explain

DAY = 86_400_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

MODEL = """\
model: m
version: 4
rules:
  - {rule: form, when: {type: form.submitted}, points: 60}
  - {rule: pricing page, when: {type: page.viewed}, points: 15, decay: {half_life: 30d}}
tiers: {cold: 0, hot: 100}
qualify: {when: {score: {at_least: 100}}, rearm: {score: {less_than: 80}}, require: [attributes.email]}
inactivity: [{after: 60d, points: -50}]
"""

app = typer.Typer()
app.command()(explain)


@pytest.fixture
def run() -> CliRunner:
    return CliRunner(env={"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"})


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "m.yaml"
    path.write_text(MODEL, "utf-8")
    return str(path)


@pytest.fixture
def history(tmp_path: Path) -> str:
    """Ann's form, page and address; then her second form. Bob does something at the end."""
    happened = [
        ("ann", "form.submitted", 0, {}),
        ("bob", "form.submitted", 0, {}),
        ("ann", "page.viewed", 1, {}),
        ("ann", "form.submitted", 31, {}),
        ("ann", "contact.updated", 32, {"email": "ann@shop.test"}),
        ("bob", "page.viewed", 40, {}),
    ]
    lines = [
        {"id": str(number), "contact_id": who, "type": kind, "occurred_at": START + day * DAY, "properties": properties}
        for number, (who, kind, day, properties) in enumerate(happened)
    ]
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in [*lines, "no event"])))
    return str(path)


def test_it_prints_lines_that_add_up_what_was_told_and_what_comes_next(
    run: CliRunner, model: str, history: str
) -> None:
    result = run.invoke(app, [model, history, "--contact", "ann", "--as-of", "2026-02-03T00:00:00Z"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "ann under m version 4 as of 2026-02-03T00:00:00.000Z",
        "score 127.1, tier hot, status ready",
        "",
        "                   now  given  times  last (UTC)",
        "  form          120.00    120      2  2026-02-01 00:00",
        "  pricing page    7.16     15      1  2026-01-02 00:00  7.839 faded",  # 15 x 2^(-32/30) = 7.161
        "= engagement    127.16",
        "= score         127.16                                  shown as 127.1, hot",
        "",
        "What sales was told:",
        "  lead.sales_ready, sequence 1, at 2026-02-02T00:00:00.000Z, cause contact.updated, score 127.3, tier hot",
        "",
        "If nothing happens it cools at 2026-04-02T00:00:00.000Z.",  # 60 days after the form, the last sign of life
    ]


def test_a_lead_that_lacks_an_address_is_held(run: CliRunner, model: str, history: str) -> None:
    result = run.invoke(app, [model, history, "--contact", "ann", "--as-of", "2026-02-01T00:00:00Z"])
    assert "status held" in result.stdout
    assert "Sales was told nothing." in result.stdout
    assert "held: needs attributes.email" in result.stdout


def test_the_end_is_the_newest_event_of_the_whole_file(run: CliRunner, model: str, history: str) -> None:
    result = run.invoke(app, [model, history, "--contact", "ann", "--output", "json"])
    told = json.loads(result.stdout)
    assert (told["as_of_ms"], told["events"], told["refused_lines"]) == (START + 40 * DAY, 4, 1)
    assert sum(line["points"] for group in told["groups"] for line in group["lines"]) == pytest.approx(
        told["score"], abs=1e-9
    )
    assert [one["kind"] for one in told["transitions"]] == ["lead.sales_ready"]
    # the form of day 31 is the last sign of life, so 50 are taken on day 91: 120 + 1.9 - 50 is below 80
    assert told["next"]["cools_ms"] == START + 91 * DAY


def test_lines_that_hold_no_event_are_mentioned(run: CliRunner, model: str, history: str) -> None:
    result = run.invoke(app, [model, history, "--contact", "bob"])
    assert result.stderr == "1 line holds no event, passed over\n"


@pytest.mark.parametrize(
    ("content", "refused"), [(b"", ""), (b"bad\n{}\n", "2 lines hold no event, passed over\n")], ids=["empty", "bad"]
)
def test_a_history_without_events_exits_1(
    run: CliRunner, model: str, tmp_path: Path, content: bytes, refused: str
) -> None:
    file = tmp_path / "nothing.jsonl"
    file.write_bytes(content)
    result = run.invoke(app, [model, str(file), "--contact", "ann"])
    assert result.exit_code == 1
    assert result.stderr == f"{file}: there is no event at all\n{refused}"


def test_a_contact_that_is_not_there_exits_1(run: CliRunner, model: str, history: str) -> None:
    for arguments in (["--contact", "eve"], ["--contact", "ann", "--as-of", "2025-01-01T00:00:00Z"]):
        result = run.invoke(app, [model, history, *arguments])
        assert result.exit_code == 1
        assert "no event of contact" in result.stderr


CASES = """\
cases:
  - case: two pages
    events: [{type: page.viewed}, {at: 30 days later, type: page.viewed}]
    expect: [{score: 22.5}, {at: day 60, score: 11.2}]
"""


def test_a_case_can_be_explained_at_any_of_its_instants(run: CliRunner, model: str, tmp_path: Path) -> None:
    cases = tmp_path / "m.cases.yaml"
    cases.write_text(CASES, "utf-8")
    for arguments, first in (
        ([], 'case "two pages" under m version 4 as of 2026-03-02T00:00:00.000Z'),
        (["--as-of", "day 3"], 'case "two pages" under m version 4 as of 2026-01-04T00:00:00.000Z'),
    ):
        result = run.invoke(app, [model, str(cases), "--case", "two pages", *arguments])
        assert (result.exit_code, result.stdout.splitlines()[0]) == (0, first)


def test_a_case_that_is_not_there_exits_1_with_the_nearest(run: CliRunner, model: str, tmp_path: Path) -> None:
    cases = tmp_path / "m.cases.yaml"
    cases.write_text(CASES, "utf-8")
    result = run.invoke(app, [model, str(cases), "--case", "two page"])
    assert result.exit_code == 1
    assert 'write "two pages"' in result.stderr


def test_wrong_use_exits_2(run: CliRunner, model: str, history: str, tmp_path: Path) -> None:
    cases = tmp_path / "m.cases.yaml"
    cases.write_text(CASES, "utf-8")
    for arguments in (
        [model, history],
        [model, history, "--contact", "ann", "--case", "x"],
        [model, history, "--contact", "ann", "--as-of", "yesterday"],
        [model, str(tmp_path / "none.jsonl"), "--contact", "ann"],
        ["no-such-model", history, "--contact", "ann"],
        [model, str(cases), "--case", "two pages", "--as-of", "some day"],
        [model, history, "--case", "two pages"],
    ):
        assert run.invoke(app, arguments).exit_code == 2, arguments
