"""The tree that people read in errors.py is the tree that the code raises."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator

import pytest

from worker import errors
from worker.errors import EventRefused, WorkerError

BRANCH = re.compile(r"^(?P<indent>(?:[│ ] {3})*)[├└]── (?P<name>\w+)\s+(?P<code>[\w.*]+)\s+(?P<route>.+)$")


def drawn() -> dict[str, tuple[str, str, str]]:
    """Return the drawn classes: name -> (parent, code, route)."""
    found: dict[str, tuple[str, str, str]] = {}
    parents = ["WorkerError"]
    for line in (errors.__doc__ or "").splitlines():
        if match := BRANCH.match(line.removeprefix("    ")):
            depth = len(match["indent"]) // 4
            del parents[depth + 1 :]
            found[match["name"]] = (parents[depth], match["code"], match["route"])
            parents.append(match["name"])
    return found


def below(base: type[WorkerError]) -> Iterator[type[WorkerError]]:
    for one in base.__subclasses__():
        if one.__module__ == errors.__name__:
            yield one
            yield from below(one)


CLASSES = sorted(below(WorkerError), key=lambda one: one.__name__)


def test_drawn_tree_is_the_tree_of_classes() -> None:
    """If this fails, an operator looks up an error that is not there."""
    assert {name: parent for name, (parent, _, _) in drawn().items()} == {
        one.__name__: one.__mro__[1].__name__ for one in CLASSES
    }


@pytest.mark.parametrize("error", CLASSES)
def test_drawn_code_and_exit_are_those_of_the_class(error: type[WorkerError]) -> None:
    _, code, route = drawn()[error.__name__]
    if issubclass(error, EventRefused):
        assert code == "event.*"
    else:
        assert code == error.code
        assert f"exit {error.exit_code}" in route


def test_codes_are_unique() -> None:
    assert len({one.code for one in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("error", CLASSES)
def test_error_loses_nothing_on_the_way_to_another_process(error: type[WorkerError]) -> None:
    fields = {name: f"<{name}>" for name in re.findall(r"{(\w+)}", error.text)}
    raised = error(**fields, more=3)
    arrived = pickle.loads(pickle.dumps(raised))  # noqa: S301  our own bytes
    assert type(arrived) is error
    assert arrived.fields == raised.fields == {**fields, "more": 3}
    assert str(arrived) == str(raised)
    assert all(value in str(arrived) for value in fields.values())
