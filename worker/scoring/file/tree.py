"""Strict YAML 1.2 (core schema) to a tree whose nodes know their line and column; nothing is ever constructed from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from worker.scoring.file.findings import MAX_FINDINGS, EnoughError, Finding, FindingCode, shown
from worker.scoring.file.lookalikes import described, strange_letter
from worker.scoring.file.syntax import diagnose

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 16_000
"""Keys, values, lists and mappings of one file: some 1,300 rules. The parser takes most of a second for so many."""
MAX_KEY = 160
"""Characters of one key; YAML has a limit on keys, and what we write of a model must be read again."""

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,40}|0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(slots=True)
class Node:
    """A scalar, list or mapping of the file; *line* and *column* count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class ScalarNode(Node):
    """Text, a number, a boolean or null."""

    value: Scalar


@dataclass(slots=True)
class ListNode(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class MappingNode(Node):
    """A mapping; its keys are text and distinct, each a node of its own for its place."""

    entries: dict[str, tuple[Node, Node]] = field(default_factory=dict)  # key -> its node, its value


def plain(node: Node) -> object:
    """Return the values of *node* without places, as any reader of the file would see them."""
    match node:
        case MappingNode():
            return {key: plain(value) for key, (_, value) in node.entries.items()}
        case ListNode():
            return [plain(item) for item in node.items]
        case ScalarNode():
            return node.value
    raise TypeError(node)


def read_tree(text: str, where: str) -> tuple[Node | None, list[Finding]]:
    """
    Return the tree of *text* (None when there is none to go on with) and what is wrong with it as YAML.

    Refused: more than 256 KiB, more than 32 levels, anchors and aliases, tags and directives, repeated keys, keys that are no text,
    numbers that are not finite, a second document.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_BYTES:
        problem = f"the file has {size} bytes, at most {MAX_BYTES} are read"
        return None, [Finding("model.too_large", where, 1, 1, "", problem, "split it into several models")]
    composer = _Composer(where)
    yaml = YAML(typ="safe", pure=True)
    try:
        root = composer.document(iter(yaml.parse(text)))
    except (_StoppedError, EnoughError):
        return None, composer.findings
    except MarkedYAMLError as error:
        fault = diagnose(text, error)
        composer.findings[:] = [one for one in composer.findings if one.line != fault.line]  # one slip, one finding
        composer.report("model.not_yaml", fault.line, fault.column, f"this is no YAML: {fault.problem}", fault.fix)
        return None, composer.findings
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        problem = f"the character U+{ord(text[error.position]):04X} is not read"
        composer.report("model.not_yaml", line, column, problem, "remove it; an editor may show it as nothing at all")
        return None, composer.findings
    except (YAMLError, ValueError, OverflowError) as error:  # escapes beyond Unicode
        composer.report(
            "model.not_yaml",
            1,
            1,
            f"this is no YAML 1.2: {shown(str(error).splitlines()[0])}",
            "write plain UTF-8 text",
        )
        return None, composer.findings
    return root, composer.findings


def _place(event: Event) -> tuple[int, int]:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


class _StoppedError(Exception):
    """Stops the walk: what comes after is not even parsed."""


class _Composer:
    """Builds the tree from the parser's events and collects what is wrong on the way."""

    def __init__(self, where: str) -> None:
        self.findings: list[Finding] = []
        self._where = where
        self._nodes = 0

    def report(self, code: FindingCode, line: int, column: int, problem: str, fix: str) -> None:
        self.findings.append(Finding(code, self._where, line, column, "", problem, fix))
        if len(self.findings) >= MAX_FINDINGS:
            raise EnoughError

    def document(self, events: Iterator[Event]) -> Node | None:
        """Return the first document; a second one and directives are reported."""
        root: Node | None = None
        documents = 0
        for event in events:
            line, column = _place(event)
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if event.tags or event.version not in (None, (1, 2)):
                    problem = "directives are not read, the file is YAML 1.2"
                    self.report("model.tag", line, column, problem, "remove the % line")
                if documents > 1:
                    problem = "a second document begins here"
                    self.report("model.not_yaml", line, column, problem, "put one model into one file")
            elif isinstance(event, NodeEvent):
                node = self._node(event, events, 1)
                root = node if root is None else root
        return root

    def _node(self, event: Event, events: Iterator[Event], depth: int) -> Node:
        line, column = _place(event)
        if depth > MAX_DEPTH and isinstance(event, CollectionStartEvent):
            problem = f"more than {MAX_DEPTH} levels of nesting"
            self.report("model.too_deep", line, column, problem, "write the condition flatter")
            raise _StoppedError
        self._nodes += 1
        if self._nodes > MAX_NODES:
            problem = f"the file has more than {MAX_NODES:,} values"
            self.report(
                "model.too_large", line, column, problem, "write lists instead of rules that differ in one value"
            )
            raise _StoppedError
        if isinstance(event, NodeEvent) and event.anchor is not None:
            problem = "anchors and aliases (& and *) are not read"
            self.report("model.anchor", line, column, problem, "write the value out, or quote the text")
        if getattr(event, "tag", None) is not None:
            self.report("model.tag", line, column, "tags (!) are not read", "remove the tag, or quote the text")
        if isinstance(event, SequenceStartEvent):
            return self._list(ListNode(line, column), events, depth)
        if isinstance(event, MappingStartEvent):
            return self._mapping(MappingNode(line, column), events, depth)
        if isinstance(event, ScalarEvent):
            read = self._text if event.style else self._plain  # quoted and block text is text whatever it looks like
            return ScalarNode(line, column, read(event.value, line, column))
        return ScalarNode(line, column, None)  # an alias, reported above

    def _list(self, node: ListNode, events: Iterator[Event], depth: int) -> ListNode:
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            node.items.append(self._node(event, events, depth + 1))
        return node

    def _mapping(self, node: MappingNode, events: Iterator[Event], depth: int) -> MappingNode:
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if not isinstance(key, ScalarNode) or not isinstance(key.value, str):
                self.report("model.wrong_type", key.line, key.column, "a key must be text", "write the key in quotes")
            elif len(key.value) > MAX_KEY:
                problem = f"a key of more than {MAX_KEY} characters"
                self.report("model.bad_value", key.line, key.column, problem, "write a shorter one")
            elif not key.value.isprintable():
                problem = f'the key "{shown(key.value)}" has a character that nobody sees'
                self.report("model.bad_value", key.line, key.column, problem, "type the key anew")
            elif (letter := strange_letter(key.value)) is not None:
                problem = (
                    f'in the key "{shown(key.value)}" one letter only looks like its neighbours: {described(letter)}'
                )
                self.report("model.lookalike", key.line, key.column, problem, "type the key anew, in one alphabet")
            elif key.value in node.entries:
                first = node.entries[key.value][0].line
                problem = f'the key "{shown(key.value)}" stands here a second time, first in line {first}'
                fix = "keep one of the two (a new item of a list begins with `- `)"
                self.report("model.duplicate_key", key.line, key.column, problem, fix)
            else:
                node.entries[key.value] = key, value
        return node

    def _plain(self, text: str, line: int, column: int) -> Scalar:
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if _NUMBER.fullmatch(text):
            try:
                number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
            except ValueError:
                number = float("inf")
            if isfinite(number):
                return number
            self.report(
                "model.bad_value",
                line,
                column,
                "a number must be finite",
                "write a smaller number, or quotes around text",
            )
            return 0
        return self._text(text, line, column)

    def _text(self, text: str, line: int, column: int) -> str:
        if any("\ud800" <= char <= "\udfff" for char in text):
            self.report(
                "model.bad_value", line, column, "half a surrogate pair is no character", "write the character itself"
            )
            return ""
        return text
