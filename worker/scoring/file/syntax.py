"""
What somebody did who wrote a line that is no YAML: the line at fault and how to mend it, in their words.

The parser says where it could not go on, which is often a line later, and what it expected, which is seldom what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from worker.scoring.file.findings import colon_advice, shown

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError, StringMark

_ANY = "mend the line; a text with a colon, a # or a leading * needs quotes, and indent with spaces only"
_CLOSING = {"{": "}", "[": "]"}

_NO_COLON = re.compile(r"\s*(?:- +)*([\w.]+) *(?=[{\[])")
_ENTRY = re.compile(r"(\s*(?:- +)*)([^\s:#][^:#]*): +(\S.*)")
_DASH = re.compile(r"\s*-(?=[^\s-])")


class Fault(NamedTuple):
    """Where a file stops being YAML; *line* and *column* count from 1."""

    line: int
    column: int
    problem: str
    fix: str


class _Scene(NamedTuple):
    """What the parser saw: lines of the file, where it stopped, and where the thing began that it was reading."""

    lines: list[str]
    line: int
    column: int
    begin_line: int
    begin_column: int
    problem: str
    context: str

    def text(self, line: int) -> str:
        return self.lines[line - 1] if 0 < line <= len(self.lines) else ""

    def before(self, line: int) -> int:
        """Return the last line before *line* that is neither empty nor a comment; 0 if there is none."""
        while line > 1:
            line -= 1
            if self.text(line).strip() and not self.text(line).lstrip().startswith("#"):
                return line
        return 0


def diagnose(text: str, error: MarkedYAMLError) -> Fault:
    """Return the line of *text* at fault for *error*."""
    stop = error.problem_mark or error.context_mark
    begin = error.context_mark or stop
    line, column = _place(stop)
    begin_line, begin_column = _place(begin)
    problem, context = error.problem or "", error.context or ""
    scene = _Scene(text.splitlines(), line, column, begin_line, begin_column, problem, context)
    for recognise in _MISTAKES:
        fault = recognise(scene)
        if fault is not None:
            return fault
    said = shown(" ".join(part for part in (context, problem) if part))
    return Fault(line, column, said, _ANY)


def _place(mark: StringMark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def _strange_characters(scene: _Scene) -> Fault | None:
    """Characters that look like others: pasted from a text program or a web page."""
    for line in (scene.begin_line, scene.before(scene.line), scene.line):
        text = scene.text(line)
        for place, char in enumerate(text):
            if char in _LOOKALIKES and not text[:place].lstrip().startswith("#"):
                plain, name = _LOOKALIKES[char]
                return Fault(line, place + 1, f"this is {name}, not {plain}", f"type {plain} instead")
    return None


_LOOKALIKES = {
    "\u00a0": ("a space", "a no-break space"),
    "\u2007": ("a space", "a figure space"),
    "\u202f": ("a space", "a narrow no-break space"),
    "\u3000": ("a space", "a wide space"),
    "\uff1a": ("a colon (:)", "a wide colon"),
    "\uff0c": ("a comma (,)", "a wide comma"),
    "\u201c": ('a straight quote (")', "a curly quote"),
    "\u201d": ('a straight quote (")', "a curly quote"),
    "\u201e": ('a straight quote (")', "a curly quote"),
    "\u2018": ("a straight quote (')", "a curly quote"),
    "\u2019": ("a straight quote (')", "a curly quote"),
}


def _half_a_merge(scene: _Scene) -> Fault | None:
    for line in (scene.begin_line, scene.line):
        if scene.text(line).startswith(("<<<<<<<", "=======", ">>>>>>>")):
            return Fault(
                line, 1, "a merge was left half done here", "keep one of the two versions, and remove this line"
            )
    return None


def _tab(scene: _Scene) -> Fault | None:
    if "'\\t'" not in scene.problem:
        return None
    return Fault(scene.line, scene.column, "this is a tab", "write spaces instead: YAML knows no tabs")


def _dash_without_space(scene: _Scene) -> Fault | None:
    match = _DASH.match(scene.text(scene.line))
    if match is None or "block" not in scene.context:
        return None
    return Fault(scene.line, match.end(), "a space is missing after the -", "write `- ` before each item of a list")


def _key_without_colon_before_bracket(scene: _Scene) -> Fault | None:
    """`when {type: a}`: the parser reads on as if all of it were one key."""
    for line in dict.fromkeys((scene.begin_line, scene.line)):
        match = _NO_COLON.match(scene.text(line))
        if match is not None and scene.begin_line >= scene.line - 1:
            return _no_colon(line, match.start(1) + 1, f"{match[1]}: {scene.text(line)[match.end() :]}")
    return None


def _key_without_colon(scene: _Scene) -> Fault | None:
    if "expected ':'" not in scene.problem:
        return None
    return _bare_key(scene, scene.begin_line)


def _bare_key(scene: _Scene, line: int) -> Fault:
    text = scene.text(line).split(" #")[0].rstrip()
    key = text.lstrip(" -")
    return _no_colon(line, len(text) - len(key) + 1, colon_advice(key) or f"{key}:")


def _no_colon(line: int, column: int, mended: str) -> Fault:
    return Fault(line, column, "a colon and a space are missing after the key", f'write "{shown(mended)}"')


def _colon_too_many(scene: _Scene) -> Fault | None:
    """A second colon in a line: text that needs quotes; or the line before has no colon, or this one is too far right."""
    if not scene.problem.startswith("mapping values"):
        return None
    match = _ENTRY.match(scene.text(scene.line))
    if match is not None and match.start(3) < scene.column - 1:
        mended = f'{match[2]}: "{match[3].rstrip()}"'
        fix = f"put the text into quotes: {shown(mended)}"
        return Fault(scene.line, match.start(3) + 1, "a text with a colon and a space needs quotes", fix)
    before = scene.before(scene.line)
    if before and _ENTRY.match(scene.text(before)) is None:
        return _bare_key(scene, before)
    if before and _key_column(scene.text(scene.before(before))) == _key_column(scene.text(scene.line)):
        return _wrong_column(scene, before, scene.line)  # the odd one out is the line between
    return _wrong_column(scene, scene.line, before) if before else None


def _wrong_column(scene: _Scene, line: int, beside: int) -> Fault:
    column, wanted = _key_column(scene.text(line)), _key_column(scene.text(beside))
    problem = f"this line begins in column {column}, and line {beside} beside it in column {wanted}"
    fix = "begin keys that belong together in one column, and those below a key two columns further right"
    return Fault(line, column, problem, fix)


def _key_column(text: str) -> int:
    return len(text) - len(text.lstrip(" -")) + 1


def _wrong_indentation(scene: _Scene) -> Fault | None:
    if "expected <block end>, but found '<block" not in scene.problem:
        return None
    text = scene.text(scene.line)
    if text.lstrip().startswith("- "):
        return _wrong_dash(scene, text)
    before = scene.before(scene.line)
    return _wrong_column(scene, scene.line, before) if before else None


def _wrong_dash(scene: _Scene, text: str) -> Fault | None:
    column = len(text) - len(text.lstrip()) + 1
    line = scene.before(scene.line)
    while line:
        above = scene.text(line)
        if above.lstrip().startswith("- "):
            wanted = len(above) - len(above.lstrip()) + 1
            problem = f"this item begins in column {column}, the one in line {line} in column {wanted}"
            return Fault(scene.line, column, problem, "begin all items of a list in one column")
        line = scene.before(line)
    return None


def _bracket(scene: _Scene) -> Fault | None:
    """A bracket that is not closed, or is closed twice; a comma that is missing, or is there twice."""
    if "but found '}'" in scene.problem or "but found ']'" in scene.problem:
        bracket = scene.problem[-2]
        return Fault(
            scene.line, scene.column, f"nothing is open that this {bracket} could close", f"remove the {bracket}"
        )
    if "but found ','" in scene.problem:
        return Fault(scene.line, scene.column, "nothing stands between two commas", "remove one of the two commas")
    if "while parsing a flow" not in scene.context:
        return None
    opening = scene.text(scene.begin_line)[scene.begin_column - 1 : scene.begin_column]
    closing = _CLOSING.get(opening)
    if closing is None:
        return None
    if scene.line == scene.begin_line and "got ':'" in scene.problem:
        return _missing_comma(scene)
    if scene.line > scene.begin_line and _indent(scene.text(scene.line)) > _indent(scene.text(scene.begin_line)):
        before = scene.before(scene.line)
        end = len(scene.text(before).rstrip())
        return Fault(before, end, "a comma is missing at the end of this line", "write a comma between two entries")
    problem = f"the {opening} that begins here is not closed"
    return Fault(scene.begin_line, scene.begin_column, problem, f"write {closing} where it ends")


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip()) if text.strip() else 0


def _missing_comma(scene: _Scene) -> Fault:
    before = scene.text(scene.line)[: scene.column - 1].rstrip()
    key = before[before.rfind(" ") + 1 :]
    column = len(before) - len(key) + 1
    return Fault(scene.line, column, f'a comma is missing before "{shown(key)}"', f'write ", {shown(key)}"')


def _quote(scene: _Scene) -> Fault | None:
    if "quoted scalar" not in scene.context:
        return None
    if "end of stream" in scene.problem:
        problem = "the quotes that begin here are not closed"
        return Fault(scene.begin_line, scene.begin_column, problem, "write the same quote again where the text ends")
    problem = "a \\ in double quotes begins an escape, and this is none"
    return Fault(scene.line, scene.column, problem, "write \\\\ for a \\, or use single quotes")


def _text_without_quotes(scene: _Scene) -> Fault | None:
    """A text that begins with a character that means something."""
    is_token = "cannot start any token" in scene.problem
    if not is_token and not scene.context.startswith(("while scanning a block scalar", "while scanning an a")):
        return None
    line, column = (scene.line, scene.column) if is_token else (scene.begin_line, scene.begin_column)
    text = scene.text(line)[column - 1 :].rstrip()
    return Fault(
        line, column, f"a text that begins with {shown(text[:1])} needs quotes", f'write "{shown(text)}" in quotes'
    )


_MISTAKES: tuple[Callable[[_Scene], Fault | None], ...] = (
    _half_a_merge,
    _strange_characters,
    _tab,
    _dash_without_space,
    _key_without_colon_before_bracket,
    _key_without_colon,
    _colon_too_many,
    _wrong_indentation,
    _bracket,
    _quote,
    _text_without_quotes,
)
"""In the order in which they are looked for; each returns None when it is something else."""
