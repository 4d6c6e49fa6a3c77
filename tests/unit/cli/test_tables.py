from __future__ import annotations

import io

import pytest
from rich.console import Console

from worker.cli.tables import Column, print_table

WHY = "webinar attended 30, pricing page 15.25, form 40"
COLUMNS = (
    Column("at (UTC)"),
    Column("contact", least=12, yields=3),
    Column("score", is_number=True),
    Column("cause", least=11, yields=1, may_go=True),
    Column("why", least=16, yields=2),
)
ROWS = [("2025-03-03 09:00", "3f2c9a4e-0000-4000-8000-00000000abcd", "1234567.125", "application.submitted", WHY)]


def printed(width: int, *, is_terminal: bool = True) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=is_terminal, color_system=None, highlight=False)
    print_table(console, COLUMNS, ROWS, "title")
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [64, 80, 100, 120, 200])
def test_numbers_and_instants_stay_whole_on_a_terminal(width: int) -> None:
    lines = printed(width)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    words = " ".join(lines).replace(",", " ").split()
    assert {"2025-03-03", "09:00", "1234567.125", "30", "15.25", "40"} <= {*words}


def test_cause_goes_where_there_is_no_room_and_why_stays() -> None:
    assert "cause" not in printed(74)[1].split()
    assert "why" in printed(74)[1].split()
    assert "cause" in printed(120)[1].split()


def test_rows_are_whole_where_no_terminal_shows_them() -> None:
    (row,) = printed(40, is_terminal=False)[2:]
    assert row.split() == " ".join(ROWS[0]).split()


def test_console_keeps_its_width() -> None:
    console = Console(file=io.StringIO(), width=20, force_terminal=True)
    print_table(console, COLUMNS, ROWS)
    assert console.width == 20


def test_long_ids_wrap_and_lose_nothing() -> None:
    at = printed(80)[1].index("contact")
    assert "".join(line[at : at + 12].strip() for line in printed(80)[2:]).startswith("3f2c9a4e-000")
