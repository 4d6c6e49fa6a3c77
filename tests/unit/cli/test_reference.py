"""The generated tables say all there is, and a stale file is noticed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import worker
from worker.cli import reference
from worker.errors import ConfigError, RestartRequired
from worker.metrics import CATALOGUE
from worker.settings import VARIABLES


def cells(table: str) -> list[list[str]]:
    """Return the cells of Markdown table rows, headings and rules left out."""
    rows = [line for line in table.splitlines() if line.startswith("| `") or re.match(r"\| \d", line)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def test_every_command_is_there_with_its_options() -> None:
    text = reference.commands_reference()
    for name in ("run", "demo", "send", "replay", "lag", "dlq list", "dlq replay", "contact erase", "model lint"):
        assert f"### leadscore {name}\n" in text
    section = text.partition("### leadscore lag\n")[2].partition("###")[0]
    rows = {row[0]: row[1] for row in cells(section)}
    assert rows == {"`--max-records`": "", "`--max-seconds`": "", "`--output`": "`text`"}
    section = text.partition("### leadscore dlq show\n")[2].partition("###")[0]
    assert cells(section)[0][:2] == ["`PARTITION:OFFSET`", "required"]


def test_every_setting_has_a_row_with_its_default() -> None:
    rows = {row[0]: row for row in cells(reference.settings_reference())}
    assert len(rows) == len(VARIABLES)
    assert rows["`LEADSCORE_BROKERS`"][2] == "required"
    assert rows["`LEADSCORE_MAX_SKEW`"][1:3] == ["duration", "`5m`"]
    assert rows["`LEADSCORE_ERASURE_KEY`, `LEADSCORE_ERASURE_KEY_FILE`"][1] == "secret"


def test_every_metric_has_a_row() -> None:
    rows = cells(reference.metrics_reference())
    assert [row[0] for row in rows[: len(CATALOGUE)]] == [f"`{metric.name}`" for metric in CATALOGUE]


def test_every_error_has_a_row_with_its_exit_code() -> None:
    rows = {row[0]: row[1] for row in cells(reference.errors_reference())}
    assert rows[f"`{ConfigError.code}`"] == "78"
    assert rows[f"`{RestartRequired.code}`"] == "70"
    assert rows["`event.refused`"] == "none: dead letter"


def test_every_code_of_a_dead_letter_in_the_code_is_explained() -> None:
    """If this fails, a producer's team looks up a code that the reference lacks."""
    package = Path(worker.__file__).parent
    sources = [*(package / "contracts").rglob("*.py"), *(package / "pipeline").rglob("*.py")]
    used = {code for path in sources for code in re.findall(r"\"(event\.[a-z_]+)\"", path.read_text("utf-8"))}
    explained = {code for code, _ in reference.DEAD_LETTERS}
    assert used <= explained
    assert "event.misplaced" in used


@pytest.mark.parametrize(
    "table",
    [
        reference.commands_reference,
        reference.settings_reference,
        reference.metrics_reference,
        reference.errors_reference,
    ],
)
def test_rows_of_a_table_have_as_many_cells_as_its_head(table: object) -> None:
    assert callable(table)
    for block in table().split("\n\n"):
        widths = {len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines() if line.startswith("|")}
        assert len(widths) <= 1


def test_stale_reference_is_noticed_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "REFERENCE.md")
    assert reference.main(["--check"]) == 1
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    (tmp_path / "REFERENCE.md").write_text("old", "utf-8")
    assert reference.main(["--check"]) == 1
    assert "make docs" in capsys.readouterr().err
