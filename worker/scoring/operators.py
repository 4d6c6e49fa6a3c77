"""What a condition may ask of one value: one operator an entry; no regular expressions, no code."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, Literal, NamedTuple, TypeVar

from worker.scoring.glob import glob_test

TOLERANCE = 1e-9
"""Numbers that differ by no more count as equal, so that sums of fractions reach their threshold."""

T = TypeVar("T")
Scalar = str | int | float | bool | None
Test = Callable[[object], bool]
Fold = Callable[[str], str]
OperandKind = Literal["scalar", "list", "number", "text", "member", "boolean"]


class Operator(NamedTuple):
    """One operator: what may stand behind it, how it is compiled, one sentence for the reference."""

    operand: OperandKind
    build: Callable[[Any, Fold], Test]
    doc: str


def exact(text: str) -> str:
    """Compare text as it stands; conditions on `type` and `source` do."""
    return text


def double(value: object) -> float | None:
    """
    Return *value* as a double, None when it is no number; a boolean is none.

    An integer too large for a double is infinite: it must compare, not stop the partition.

    >>> double(3), double(True), double("3")
    (3.0, None, None)
    """
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return inf if value > 0 else -inf
    return None


def _is(operand: Scalar, fold: Fold) -> Test:
    if operand is None or isinstance(operand, bool):
        return lambda value: value is operand
    if isinstance(operand, str):
        if fold is exact:
            return lambda value: value == operand
        wanted = fold(operand)
        return lambda value: type(value) is str and fold(value) == wanted
    wanted_number = float(operand)

    def equals(value: object) -> bool:
        number = double(value)
        return number is not None and abs(number - wanted_number) <= TOLERANCE

    return equals


def _in(operands: Sequence[Scalar], fold: Fold) -> Test:
    texts = frozenset(fold(one) for one in operands if isinstance(one, str))
    flags = frozenset(one for one in operands if isinstance(one, bool))
    numbers = sorted(float(one) for one in operands if isinstance(one, int | float) and not isinstance(one, bool))
    null = None in operands

    def is_one_of(value: object) -> bool:
        if type(value) is str:
            return fold(value) in texts
        if value is None:
            return null
        if type(value) is bool:
            return value in flags
        number = double(value)
        if number is None:
            return False
        place = bisect_left(numbers, number)  # only its two neighbours can be equal
        return any(abs(near - number) <= TOLERANCE for near in numbers[max(place - 1, 0) : place + 1])

    return is_one_of


def _not(build: Callable[[T, Fold], Test]) -> Callable[[T, Fold], Test]:
    def negated(operand: T, fold: Fold) -> Test:
        test = build(operand, fold)
        return lambda value: not test(value)

    return negated


def _at_least(operand: float, _: Fold) -> Test:
    return lambda value: (number := double(value)) is not None and number + TOLERANCE >= operand


def _less_than(operand: float, _: Fold) -> Test:
    return lambda value: (number := double(value)) is not None and not number + TOLERANCE >= operand


def _more_than(operand: float, _: Fold) -> Test:
    return lambda value: (number := double(value)) is not None and number - TOLERANCE > operand


def _at_most(operand: float, _: Fold) -> Test:
    return lambda value: (number := double(value)) is not None and not number - TOLERANCE > operand


def _starts_with(operand: str, fold: Fold) -> Test:
    start = fold(operand)
    return lambda value: type(value) is str and fold(value).startswith(start)


def _ends_with(operand: str, fold: Fold) -> Test:
    end = fold(operand)
    return lambda value: type(value) is str and fold(value).endswith(end)


def _contains(operand: Scalar, fold: Fold) -> Test:
    is_member = _is(operand, fold)
    part = fold(operand) if isinstance(operand, str) else None

    def contains(value: object) -> bool:
        if type(value) is str:
            return part is not None and part in fold(value)
        return type(value) is list and any(map(is_member, value))

    return contains


def _like(operand: str, fold: Fold) -> Test:
    matches = glob_test(fold(operand))
    return lambda value: type(value) is str and matches(fold(value))


def _exists(operand: Scalar, _: Fold) -> Test:
    return lambda value: (value is not None) is operand


OPERATORS: Mapping[str, Operator] = {
    "is": Operator("scalar", _is, "equal to this text, number, boolean or null"),
    "not": Operator("scalar", _not(_is), "not equal to it; a missing field counts as null"),
    "in": Operator("list", _in, "equal to one of these"),
    "not_in": Operator("list", _not(_in), "equal to none of these; a missing field counts as null"),
    "at_least": Operator("number", _at_least, "a number of this size or more"),
    "more_than": Operator("number", _more_than, "a number above this one"),
    "at_most": Operator("number", _at_most, "a number of this size or less"),
    "less_than": Operator("number", _less_than, "a number below this one"),
    "starts_with": Operator("text", _starts_with, "text that begins with this"),
    "ends_with": Operator("text", _ends_with, "text that ends with this"),
    "contains": Operator("member", _contains, "text with this in it, or a list with this member"),
    "like": Operator("text", _like, "text of this form as a whole: `*` is any text, `?` any one character"),
    "exists": Operator("boolean", _exists, "`true`: there and not null; `false`: missing or null"),
}
"""Every operator by its name in a model file."""
