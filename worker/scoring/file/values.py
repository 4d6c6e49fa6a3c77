"""Readers of single values: text, numbers, names; each refuses with the range it wants."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from worker.scoring.file.fields import describes, read_each
from worker.scoring.file.findings import nearest, shown
from worker.scoring.file.lookalikes import described, skeleton, strange_letter
from worker.scoring.file.tree import ListNode, MappingNode, ScalarNode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.scoring.file.fields import Context, Reader, RefusedError
    from worker.scoring.file.tree import Node, Scalar

T = TypeVar("T")

MAX_POINTS = 1_000_000
MAX_TEXT = 1_024
MAX_NAME = 128
MAX_NUMBER = 1e15
_DECIMALS = 3
_NUMBER_IN_TEXT = re.compile(r"[-+]?[0-9]{1,12}(\.[0-9]{1,6})?(?![0-9.,])")


@describes({"type": ["string", "number", "boolean", "null"]})
def scalar(context: Context, node: Node, path: str) -> Scalar:
    """
    Return text, a number, a boolean or null.

    Raises:
        RefusedError: *node* is a list or a mapping, or text of more than 1,024 characters.
    """
    if not isinstance(node, ScalarNode):
        raise _type_refusal(context, node, path, "one text, number or boolean")
    if isinstance(node.value, str) and len(node.value) > MAX_TEXT:
        raise context.refusal(
            "model.bad_value", node, path, f"a text of more than {MAX_TEXT} characters", "write a shorter one"
        )
    return node.value


@describes({"type": "string", "minLength": 1, "maxLength": MAX_TEXT})
def text(context: Context, node: Node, path: str) -> str:
    """
    Return text that is not empty.

    Raises:
        RefusedError: it is something else.
    """
    value = scalar(context, node, path)
    if not isinstance(value, str):
        raise _type_refusal(context, node, path, "text")
    if not value:
        raise context.refusal("model.bad_value", node, path, "the text is empty", "write at least one character")
    return value


@describes({"type": "string", "minLength": 1, "maxLength": MAX_NAME})
def name(context: Context, node: Node, path: str) -> str:
    """
    Return text that can be shown on one line: up to 128 characters, none of them a control character.

    Raises:
        RefusedError: it is something else.
    """
    value = text(context, node, path)
    check_name(context, node, path, value)
    return value


def check_name(context: Context, node: Node, path: str, value: str) -> None:
    """
    Check that *value* can name something.

    Raises:
        RefusedError: it is too long, has control characters, or has spaces around it.
    """
    if not value or len(value) > MAX_NAME or not value.isprintable() or value != value.strip():
        fix = f"write 1 to {MAX_NAME} printable characters without spaces around them"
        raise context.refusal("model.bad_value", node, path, "this is no name", fix)
    letter = strange_letter(value)
    if letter is not None:
        problem = f'in "{shown(value)}" one letter only looks like its neighbours: {described(letter)}'
        raise context.refusal("model.lookalike", node, path, problem, "type the name anew, in one alphabet")


def check_apart(context: Context, node: Node, path: str, value: str, looks: dict[str, str]) -> None:
    """
    Check that the name *value* looks like none before it; *looks* holds how these look, and then this one too.

    Raises:
        RefusedError: nobody could tell it from another.
    """
    other = looks.setdefault(skeleton(value), value)
    if other != value:
        problem = f'"{shown(value)}" and "{shown(other)}" look alike'
        fix = "give each a name of its own, or use one of the two everywhere"
        raise context.refusal("model.lookalike", node, path, problem, fix)


@describes({"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER})
def number(context: Context, node: Node, path: str) -> float:
    """
    Return a number of at most 1e15 in size.

    Raises:
        RefusedError: it is something else.
    """
    value = scalar(context, node, path)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _type_refusal(context, node, path, "a number")
    if abs(value) > MAX_NUMBER:
        raise context.refusal(
            "model.bad_value",
            node,
            path,
            "the number is too large",
            f"write one from -{MAX_NUMBER:g} to {MAX_NUMBER:g}",
        )
    return float(value)


@describes({"type": "number", "minimum": -MAX_POINTS, "maximum": MAX_POINTS})
def points(context: Context, node: Node, path: str) -> float:
    """
    Return points: -1,000,000 to 1,000,000 with at most three decimals.

    Raises:
        RefusedError: it is something else.
    """
    value = number(context, node, path)
    if abs(value) > MAX_POINTS or round(value, _DECIMALS) != value:
        fix = "write a number from -1,000,000 to 1,000,000 with at most 3 decimals (and without the commas)"
        raise context.refusal("model.bad_value", node, path, "these points are out of range", fix)
    return value


@describes({"type": "number", "exclusiveMinimum": 0, "maximum": MAX_POINTS})
def points_above_0(context: Context, node: Node, path: str) -> float:
    """
    Return points above 0, to 1,000,000, with at most three decimals.

    Raises:
        RefusedError: it is something else.
    """
    value = points(context, node, path)
    if value <= 0:
        raise context.refusal(
            "model.bad_value", node, path, "these points must be above 0", "write how many points go, without a sign"
        )
    return value


def number_between(low: float, high: float) -> Reader:
    """Return a reader of numbers from *low* to *high*."""

    @describes({"type": "number", "minimum": low, "maximum": high})
    def read(context: Context, node: Node, path: str) -> float:
        value = number(context, node, path)
        if not low <= value <= high:
            raise context.refusal(
                "model.bad_value", node, path, "the number is out of range", f"write a number from {low:g} to {high:g}"
            )
        return value

    return read


def integer_between(low: int, high: int) -> Reader:
    """Return a reader of whole numbers from *low* to *high*."""

    @describes({"type": "integer", "minimum": low, "maximum": high})
    def read(context: Context, node: Node, path: str) -> int:
        value = scalar(context, node, path)
        if isinstance(value, bool) or not isinstance(value, int):
            raise _type_refusal(context, node, path, "a whole number")
        if not low <= value <= high:
            raise context.refusal(
                "model.bad_value",
                node,
                path,
                "the number is out of range",
                f"write a whole number from {low} to {high}",
            )
        return value

    return read


@describes({"type": "boolean"})
def boolean(context: Context, node: Node, path: str) -> bool:
    """
    Return `true` or `false`.

    Raises:
        RefusedError: it is something else; `yes` and `off` are text in YAML 1.2.
    """
    value = scalar(context, node, path)
    if not isinstance(value, bool):
        raise _type_refusal(context, node, path, "true or false")
    return value


def one_of(words: Sequence[str]) -> Reader:
    """Return a reader of one of *words*."""

    @describes({"enum": list(words)})
    def read(context: Context, node: Node, path: str) -> str:
        value = scalar(context, node, path)
        if not isinstance(value, str) or value not in words:
            problem = f"one of {', '.join(words)} is wanted here"
            advice = nearest(value, words) if isinstance(value, str) else f"use one of: {', '.join(words)}"
            raise context.refusal("model.bad_value", node, path, problem, advice)
        return value

    return read


def reference(what: str, names: Mapping[str, int], context: Context, node: Node, path: str) -> int:
    """
    Return the index of a name that another part of the file defines.

    Raises:
        RefusedError: it is no name, or nothing defines it.
    """
    value = text(context, node, path)
    if value not in names:
        raise context.refusal(
            "model.unknown_name", node, path, f'there is no {what} "{shown(value)}"', nearest(value, names)
        )
    return names[value]


@describes({"type": "string", "minLength": 1})
def group_reference(context: Context, node: Node, path: str) -> int:
    """Return the index of a group of this model; see `reference`."""
    return reference("group", context.groups, context, node, path)


@describes({"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "uniqueItems": True})
def group_references(context: Context, node: Node, path: str) -> tuple[int, ...]:
    """
    Return the indexes of a list of groups, at least one, each once.

    Raises:
        RefusedError: it is something else.
    """
    indexes = read_each(context, node, path, group_reference)
    return tuple(distinct(context, node, path, indexes))


@describes({"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True})
def texts(context: Context, node: Node, path: str) -> list[str]:
    """
    Return a list of texts, each once; it may be empty.

    Raises:
        RefusedError: it is something else.
    """
    values: list[str] = read_each(context, node, path, text)
    return distinct(context, node, path, values, least=0)


def distinct(context: Context, node: Node, path: str, values: Sequence[T], *, least: int = 1) -> list[T]:
    """
    Return *values* if there are *least* of them and each is there once.

    Raises:
        RefusedError: there are fewer, or one is there twice.
    """
    if len(values) < least:
        raise context.refusal(
            "model.bad_value", node, path, "the list is empty", "name at least one, or remove the key"
        )
    met: set[T] = set()
    for place, value in enumerate(values):
        if value in met:
            raise context.refusal(
                "model.duplicate_name", node, f"{path}[{place}]", "this is listed twice", "list it once"
            )
        met.add(value)
    return list(values)


@describes({"type": "string", "minLength": 1})
def time_zone(context: Context, node: Node, path: str) -> str:
    """
    Return the name of an IANA time zone.

    Raises:
        RefusedError: there is none of that name.
    """
    value = text(context, node, path)
    try:
        ZoneInfo(value)
    except (ValueError, KeyError, OSError):  # a strange path; no such zone; a folder of the zone database
        raise context.refusal(
            "model.bad_value",
            node,
            path,
            f'there is no time zone "{shown(value)}"',
            "write an IANA name such as UTC or Europe/Berlin",
        ) from None
    return value


def _type_refusal(context: Context, node: Node, path: str, wanted: str) -> RefusedError:
    found = "null"
    match node:
        case MappingNode():
            found = "a mapping"
        case ListNode():
            found = "a list"
        case ScalarNode(value=bool()):
            found = "a boolean"
        case ScalarNode(value=int() | float()):
            found = "a number"
        case ScalarNode(value=str()):
            found = "text"
    fix = f"write {wanted}" + (", in quotes" if wanted == "text" and found != "text" else "")
    if wanted in ("a number", "a whole number") and isinstance(node, ScalarNode) and isinstance(node.value, str):
        number_of = _NUMBER_IN_TEXT.match(node.value.strip())
        if number_of is not None:
            fix = f"write {number_of[0]}, without quotes or words"
    return context.refusal("model.wrong_type", node, path, f"{wanted} is wanted here, this is {found}", fix)
