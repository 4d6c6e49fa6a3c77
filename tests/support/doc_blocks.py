"""
The fenced blocks of our texts, and what it takes to run them as a reader would.

What follows the language in a fence says what a test does with the block:

- ``file=NAME``: it is written under that name before the shell blocks of its text run.
- ``cases=NAME``: it holds cases of the model in the block ``file=NAME`` of its text, or of the shipped model NAME; with
  ``wrong`` one of them does not hold.
- ``warns``: lint has something to say of this model, and the text says why it stays as it is.
- ``needs=fit``: it runs where scikit-learn is installed.
- ``output``: what the shell or Python block before it prints; ``...`` stands for anything, and with ``figures`` the
  digits and the names of simulated people may differ.
- ``schema=PATH``: the schema below schemas/ that a JSON block fits.
- ``broker``: it needs a Kafka; ``background``: it runs until the text is at its end.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
TEXTS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "schemas/README.md",
    "tests/README.md",
    "worker/DECISIONS.md",
    "worker/cases/README.md",
    "worker/operations/README.md",
    "worker/scoring/README.md",
    "worker/stores/README.md",
    "worker/stream/README.md",
)

_FENCE = re.compile(r"^```(\w*)(.*)$")
_HERE_DOCUMENT = re.compile(r"^cat > (\S+) <<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)
_LEFT_OUT = re.compile(r"\.\.\.")
_HEAD = "model: fragment\nversion: 1\n"
_RULES = "rules:\n  - {rule: any, when: {type: page.viewed}, points: 1}\n"
_CURL = """\
import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[-1], timeout=10).read().decode())
"""


class Block(NamedTuple):
    """One fenced block: where it stands, its language, the words after that, and what is in it."""

    text: str
    line: int
    language: str
    words: tuple[str, ...]
    content: str
    output: Block | None = None  # the block that shows what this one prints

    @property
    def name(self) -> str:
        """``file:line``, as an editor opens it."""
        return f"{self.text}:{self.line}"

    def option(self, name: str) -> str | None:
        """Return VALUE of a word ``name=VALUE``; None without one."""
        found = (word.partition("=")[2] for word in self.words if word.startswith(f"{name}="))
        return next(found, None)


def blocks_of(text: str) -> list[Block]:
    """
    Return the blocks of the Markdown file at *text* below the repository, outputs beside the blocks that make them.

    Raises:
        ValueError: A fence is not closed, or an output has nothing before it.
    """
    return parse_blocks((ROOT / text).read_text("utf-8"), text)


def parse_blocks(markdown: str, text: str) -> list[Block]:
    """Return the blocks of *markdown*; *text* names it. Raises ValueError as `blocks_of`."""
    found: list[Block] = []
    opened: tuple[int, str, str] | None = None
    inside: list[str] = []
    for number, line in enumerate(markdown.splitlines(), start=1):
        if opened is None:
            if (fence := _FENCE.match(line)) is not None:
                opened, inside = (number, fence[1], fence[2]), []
        elif line == "```":
            _add(found, Block(text, opened[0], opened[1], tuple(opened[2].split()), "\n".join(inside) + "\n"))
            opened = None
        else:
            inside.append(line)
    if opened is not None:
        raise ValueError(f"{text}:{opened[0]}: the block is not closed")
    return found


def _add(found: list[Block], block: Block) -> None:
    if "output" not in block.words:
        found.append(block)
        return
    if not found or found[-1].output is not None or found[-1].language not in {"sh", "python"}:
        raise ValueError(f"{block.name}: no command before it prints this")
    found[-1] = found[-1]._replace(output=block)


def files_of(blocks: Sequence[Block]) -> dict[str, str]:
    """Return the files that *blocks* show (``file=NAME``) or write from a here-document, so that each block runs alone."""
    files: dict[str, str] = {}
    for block in blocks:
        files.update(_HERE_DOCUMENT.findall(block.content))
        if (name := block.option("file")) is not None:
            files[name] = block.content
    return files


def whole_model(content: str) -> str:
    """Return *content*, rules or keys of a model file, as a whole model, with the least that it needs beside them."""
    rules = f"rules:\n{content}" if content.startswith("- ") else content
    with_rules = rules if re.search(r"^rules:", rules, re.MULTILINE) else rules + _RULES
    return with_rules if re.search(r"^model:", content, re.MULTILINE) else _HEAD + with_rules


def whole_cases(content: str) -> str:
    """Return *content*, a list of cases or a whole cases file, as a cases file."""
    return f"cases:\n{content}" if content.startswith("- ") else content


def difference(shown: Block, printed: str) -> str:
    """Return where *printed* is not what *shown* says; empty when it is. Widths of columns and rules do not count."""
    are_figures = "figures" in shown.words
    parts = [_plain(part, are_figures) for part in _LEFT_OUT.split(shown.content)]
    if _has_in_order(_plain(printed, are_figures), parts):
        return ""
    return f"{shown.name} shows\n{shown.content}\nbut this was printed\n{printed}"


def _has_in_order(printed: str, parts: Sequence[str]) -> bool:
    """Whether *printed* is *parts* in their order, with anything between two of them."""
    first, *others = parts
    if not others:
        return printed == first
    if not printed.startswith(first):
        return False
    position = len(first)
    for part in others[:-1]:
        found = printed.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return printed[position:].endswith(others[-1])


def _plain(text: str, are_figures: bool) -> str:
    """Return *text* with single spaces and short rules; and, where figures differ, without digits and simulated people."""
    narrow = re.sub(r"[─━]+", "─", " ".join(text.split()))
    return re.sub(r"\d[\d,]*", "0", re.sub(r"[\w.]+@[\w.]+", "@", narrow)) if are_figures else narrow


class Reader:
    """
    Somebody who follows a text in an empty directory, with `leadscore` on the path and no settings.

    Args:
        directory: Where the blocks run.
        blocks: All blocks of the text; the files that they show are there from the start.
        environ: Variables that the text does not set.
        replaced: Strings of the text that are something else here (an address, a port).
    """

    def __init__(
        self,
        directory: Path,
        blocks: Sequence[Block],
        environ: Mapping[str, str] | None = None,
        replaced: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory / "reader"
        self.directory.mkdir()
        self._replaced = dict(replaced or {})
        self._environ = _without_settings() | {"PYTHONPATH": str(ROOT), **(environ or {})}
        self._environ["PATH"] = f"{_commands(directory)}{os.pathsep}{self._environ['PATH']}"
        for name, content in files_of(blocks).items():
            (self.directory / name).write_text(content, "utf-8")

    def run(self, block: Block, *, within_s: float = 60) -> str:
        """Run *block* and return what it prints; AssertionError when it fails or prints something else than is shown."""
        ran = subprocess.run(
            self._command(block),
            cwd=self.directory,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        assert ran.returncode == 0, f"{block.name} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        if block.output is not None:
            problem = difference(block.output, self._as_written(ran.stdout))
            assert not problem, problem
        return ran.stdout

    def start(self, block: Block, log: Path) -> subprocess.Popen[bytes]:
        """Start *block* and let it run; what it prints goes to *log*."""
        command = [
            *self._command(block)[:-1],
            f"exec {self._command(block)[-1].strip()}",
        ]  # signals reach the command itself
        with log.open("wb") as file:
            return subprocess.Popen(
                command, cwd=self.directory, env=self._environ, stdout=file, stderr=subprocess.STDOUT
            )

    def _command(self, block: Block) -> list[str]:
        content = block.content
        for there, here in self._replaced.items():
            content = content.replace(there, here)
        start = [sys.executable, "-c"] if block.language == "python" else ["bash", "-euo", "pipefail", "-c"]
        return [*start, content]

    def _as_written(self, printed: str) -> str:
        for there, here in self._replaced.items():
            printed = printed.replace(here, there)
        return printed


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("LEADSCORE_")}


def _commands(directory: Path) -> Path:
    """Make a folder with the commands that texts use, so that none has to be installed; and return it."""
    folder = directory / "commands"
    folder.mkdir()
    commands = {"leadscore": "-m worker.cli.main", "python": ""}
    if shutil.which("curl") is None:
        (folder / "curl.py").write_text(_CURL, "utf-8")
        commands["curl"] = str(folder / "curl.py")
    for name, arguments in commands.items():
        command = folder / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', "utf-8")
        command.chmod(0o755)
    return folder
