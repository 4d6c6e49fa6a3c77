"""A marketer's ten typical mistakes, as `ten_mistakes.md` tells them: each found in its line, with a fix that works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner, Result

from worker.cli.model import app

PAGE = Path(__file__).with_name("ten_mistakes.md")
NAME = "spring-leads.yaml"


class Mistake(NamedTuple):
    title: str
    removed: list[str]  # lines of the file as it was begun
    written: list[str]  # what is written instead, wrong
    mended: list[str]  # and as advised
    exit_code: int
    said: str


def mistakes() -> list[Mistake]:
    """Return the sections of the page."""
    found = []
    for section in PAGE.read_text("utf-8").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        change, output, mend = re.findall(r"```(?:diff|text)\n(.*?)```", body, re.DOTALL)
        lines = change.splitlines()
        command, *said, code = output.splitlines()
        assert command.startswith("$ leadscore model lint")
        found.append(
            Mistake(
                title,
                [line[2:] for line in lines if line.startswith("- ")],
                [line[2:] for line in lines if line.startswith("+ ")],
                [line[2:] for line in mend.splitlines() if line.startswith("= ")],
                int(code.removeprefix("exit code ")),
                "\n".join(said) + "\n",
            )
        )
    return found


MISTAKES = mistakes()


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file as `model new` writes it, in the working directory."""
    monkeypatch.chdir(tmp_path)
    assert run("new", "spring-leads", "--from", "blank").exit_code == 0
    return tmp_path / NAME


def run(*arguments: str) -> Result:
    return CliRunner(env={"NO_COLOR": "1", "TERM": "dumb"}).invoke(app, list(arguments))


def changed(text: str, removed: list[str], written: list[str]) -> str:
    """Return *text* with the lines *removed*, which stand in it once and together, replaced by *written*."""
    old, new = "".join(f"{line}\n" for line in removed), "".join(f"{line}\n" for line in written)
    assert text.count(old) == 1, old
    return text.replace(old, new)


def test_page_has_the_ten_mistakes() -> None:
    assert len(MISTAKES) == 10
    assert len({one.title for one in MISTAKES}) == 10


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_mistake_is_found_in_its_line_and_mended_as_advised(mistake: Mistake, begun: Path) -> None:
    """If this fails, somebody is left alone with a file that does not load."""
    text = begun.read_text("utf-8")
    wrong = changed(text, mistake.removed, mistake.written)
    begun.write_text(wrong, "utf-8")
    result = run("lint", NAME)
    assert result.stdout == mistake.said
    assert result.exit_code == mistake.exit_code

    first = wrong[: wrong.index("\n".join(mistake.written))].count("\n") + 1
    touched = range(first, first + len(mistake.written))
    lines = [int(place) for place in re.findall(rf"^{NAME}:(\d+):", result.stdout, re.MULTILINE)]
    assert lines
    assert any(line in touched for line in lines) or mistake.title == "A threshold above the cap"

    begun.write_text(changed(wrong, mistake.written, mistake.mended), "utf-8")
    again = run("lint", "--strict", "--notes", NAME)
    assert (again.exit_code, again.stdout) == (0, "")
