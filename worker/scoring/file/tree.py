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

from worker.scoring.file.findings import Finding, FindingCode, shown

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}|0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30}")
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
    except _TooDeepError:
        return None, composer.findings
    except MarkedYAMLError as error:
        composer.report_syntax(error)
        return None, composer.findings
    except (YAMLError, ValueError, OverflowError) as error:  # unprintable characters; escapes beyond Unicode
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


class _TooDeepError(Exception):
    """Stops the walk: what lies deeper is not even parsed."""


class _Composer:
    """Builds the tree from the parser's events and collects what is wrong on the way."""

    def __init__(self, where: str) -> None:
        self.findings: list[Finding] = []
        self._where = where

    def report(self, code: FindingCode, line: int, column: int, problem: str, fix: str) -> None:
        self.findings.append(Finding(code, self._where, line, column, "", problem, fix))

    def report_syntax(self, error: MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = shown(" ".join(part for part in (error.context, error.problem) if part))
        fix = "mend the line; a text with a colon, a # or a leading * needs quotes, and indent with spaces only"
        self.report("model.not_yaml", line, column, f"this is no YAML 1.2: {problem}", fix)

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
            raise _TooDeepError
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
            elif key.value in node.entries:
                first = node.entries[key.value][0].line
                problem = f'the key "{shown(key.value)}" stands here a second time, first in line {first}'
                self.report("model.duplicate_key", key.line, key.column, problem, "keep one of the two")
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
