"""What is wrong in a model file: where it stands, why it is refused, how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from worker.errors import ModelError

FindingCode = Literal[
    "model.unreadable",
    "model.too_large",
    "model.too_deep",
    "model.not_yaml",
    "model.anchor",
    "model.tag",
    "model.duplicate_key",
    "model.wrong_type",
    "model.unknown_key",
    "model.missing_key",
    "model.bad_value",
    "model.unknown_name",
    "model.unknown_field",
    "model.unknown_operator",
    "model.duplicate_name",
    "model.unreachable_tier",
    "model.never_holds",
    "model.empty_condition",
    "model.conflict",
    "model.state_too_large",
    "model.unsupported",
]
"""Why a model is refused; stable."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason to refuse a model; *line* and *column* count from 1, *key* is the path in the file ('' is the file itself)."""

    code: FindingCode
    where: str
    line: int
    column: int
    key: str
    problem: str
    fix: str

    @property
    def place(self) -> str:
        """`file:line:column`, as editors understand it."""
        return f"{self.where}:{self.line}:{self.column}"

    @property
    def sentence(self) -> str:
        """The key, when there is one, and the problem."""
        return f"{self.key}: {self.problem}" if self.key else self.problem

    def __str__(self) -> str:
        return f"{self.place}: {self.code}: {self.sentence}; {self.fix}"


def refusal(findings: Iterable[Finding]) -> ModelError:
    """Return one error for all *findings*, at least one: its fields are those of the first, its text lists every one."""
    first, *others = findings
    more = "".join(f"\n{one.place}: {one.code}: {one.sentence}\n  fix: {one.fix}" for one in others)
    return ModelError(where=first.place, problem=first.sentence, fix=first.fix + more, finding=first.code)


def shown(text: str) -> str:
    r"""
    Return *text* fit for one line of a terminal: nothing that is not printable, at most 80 characters.

    >>> shown("a\x1b[2Jb")
    'a?[2Jb'
    """
    line = "".join(char if char.isprintable() else "?" for char in text[:81])
    return line if len(line) <= 80 else line[:79] + "…"


def nearest(word: str, valid: Iterable[str]) -> str:
    """
    Return advice for a *word* that is none of *valid*: the nearest one, or all of them when none is near.

    >>> nearest("pionts", ["points", "limit"])
    'write "points"'
    >>> nearest("x", ["b", "a"])
    'use one of: a, b'
    """
    names = sorted(valid)
    if not names:
        return "remove it; there is nothing here to name"
    close = get_close_matches(word[:200], names, n=1, cutoff=0.6)
    if close:
        return f'write "{shown(close[0])}"'
    return f"use one of: {', '.join(map(shown, names))}"
