"""What there is to say of a model file: where it stands, how bad it is and why, how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from heapq import nsmallest
from itertools import islice
from typing import Literal, get_args

from worker.errors import ModelError
from worker.scoring.file.lookalikes import skeleton

Level = Literal["error", "warning", "note"]
"""error: the model is refused; warning: it loads, and will hardly do what was meant; note: worth a thought."""

ErrorCode = Literal[
    "model.unreadable",
    "model.too_large",
    "model.too_deep",
    "model.not_yaml",
    "model.anchor",
    "model.tag",
    "model.duplicate_key",
    "model.lookalike",
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
    "model.too_many",
    "model.state_too_large",
]
"""Why a model is refused; stable."""

WarningCode = Literal[
    "model.contradiction",
    "model.out_of_reach",
    "model.duplicate_rule",
    "model.points_above_cap",
    "model.machine_prone",
    "model.rearm_above_threshold",
    "model.rearm_never_holds",
    "model.rearm_always_holds",
    "model.never_fades",
    "model.no_effect",
    "model.mixed_scripts",
]
"""Why a model that loads will hardly do what was meant; stable."""

NoteCode = Literal[
    "model.repeatable_view",
    "model.same_condition",
    "model.no_qualify",
    "model.no_rearm",
    "model.no_negative_signals",
    "model.no_feedback",
    "model.time_zone_missing",
    "model.empty_group",
]
"""What is worth a thought in a model; stable."""

FindingCode = ErrorCode | WarningCode | NoteCode
"""What may be said of a model file; each code has one level."""

LEVELS: Mapping[FindingCode, Level] = {
    **dict.fromkeys(get_args(ErrorCode), "error"),
    **dict.fromkeys(get_args(WarningCode), "warning"),
    **dict.fromkeys(get_args(NoteCode), "note"),
}
"""The level of each code, in the order in which they are explained."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say of a model; *line* and *column* count from 1, *key* is the path in the file ('' is the file itself)."""

    code: FindingCode
    where: str
    line: int
    column: int
    key: str
    problem: str
    fix: str

    @property
    def level(self) -> Level:
        """How bad it is."""
        return LEVELS[self.code]

    @property
    def place(self) -> str:
        """`file:line:column`, as editors understand it."""
        return f"{self.where}:{self.line}:{self.column}"

    @property
    def sentence(self) -> str:
        """The key, when there is one, and the problem."""
        return f"{self.key}: {self.problem}" if self.key else self.problem

    def __str__(self) -> str:
        level = "" if self.level == "error" else f"{self.level}: "
        return f"{self.place}: {self.code}: {level}{self.sentence}; {self.fix}"


MAX_FINDINGS = 100
"""Of one file; a marketer mends these first, and a hostile file costs no more."""


class EnoughError(Exception):
    """A file has as many findings as are reported; reading stops. Never leaves this package."""


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


_MAX_NAMES = 1_000
_MAX_COMPARED = 20
_MAX_WORD = 64
_MAX_LISTED = 20
"""So many names are looked at, so many compared, so much of each, and so many listed: advice must not cost more than reading."""

_ONE_WORD = re.compile(r"([\w.]+?)\s*(?:[:=;\uff1a]|\s)\s*(\S.*)")


def colon_advice(written: str) -> str | None:
    """
    Return what was meant by a key that has its value in it: a colon, or the space after it, is missing. None if it is one word.

    >>> colon_advice("times 1"), colon_advice("type:a.b"), colon_advice("points = 5"), colon_advice("times")
    ('times: 1', 'type: a.b', 'points: 5', None)
    """
    match = _ONE_WORD.fullmatch(written[:200])
    return f"{match[1]}: {match[2]}" if match is not None else None


def _likely(word: str, names: Iterable[str]) -> list[str]:
    """Return the few of *names* that are worth a close look: a slip of the pen keeps the first letter, and nearly the length."""
    short = (one for one in names if len(one) <= _MAX_WORD)
    return nsmallest(_MAX_COMPARED, short, key=lambda one: (one[:1] != word[:1], abs(len(one) - len(word)), one))


def nearest(word: str, valid: Iterable[str]) -> str:
    """
    Return advice for a *word* that is none of *valid*: the nearest one, or all of them when none is near.

    >>> nearest("points 5", ["points", "limit"])
    'write "points: 5"'
    >>> nearest("pionts", ["points", "limit"])
    'write "points"'
    >>> nearest("x", ["b", "a"])
    'use one of: a, b'
    """
    names = sorted(islice(valid, _MAX_NAMES))
    if not names:
        return "remove it; there is nothing here to name"
    colon = colon_advice(word)
    if colon is not None and colon.partition(":")[0] in names:
        return f'write "{shown(colon)}"'
    alike = [one for one in names if skeleton(one) == skeleton(word)] if not word.isascii() else []
    if alike:
        return f'write "{shown(alike[0])}", in plain letters'
    close = get_close_matches(word[:_MAX_WORD], _likely(word, names), n=1, cutoff=0.6)
    if close:
        return f'write "{shown(close[0])}"'
    more = f", and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"use one of: {', '.join(map(shown, names[:_MAX_LISTED]))}{more}"
