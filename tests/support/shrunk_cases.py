"""
Cases on which a law once failed, as small as the search could make them: laws are tried on each, before the search begins.

Add what a nightly run finds, with a name that says what it is about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import example

from tests.support.generated_cases import Case
from tests.support.lattice import DAY, HOUR, MINUTE, START

Json = dict[str, Any]
Test = TypeVar("Test", bound=Callable[..., Any])

VIEWED: Json = {"rule": "viewed", "when": {"type": "page.viewed"}, "points": 100}
QUALIFY: Json = {"when": {"score": {"at_least": 25}}}


def tried_on_shrunk_cases(test: Test) -> Test:
    """Have a test of one `Case` tried on all of `SHRUNK` first."""
    for case in SHRUNK.values():
        test = example(case)(test)
    return test


def _case(model: Json, *arrived: Json, later: int = 0, cuts: tuple[int, ...] = ()) -> Case:
    """Return a case that is looked at when its newest event happens, and *later*, in ms."""
    happened = sorted(arrived, key=lambda event: (event["occurred_at"], event["id"]))
    newest = happened[-1]["occurred_at"]
    return Case(
        {"model": "generated", "version": 1} | model, happened, list(arrived), [newest, newest + later], list(cuts)
    )


def _event(name: str, at: int, kind: str = "page.viewed", **properties: Any) -> Json:
    return {
        "id": name,
        "contact_id": "contact-1",
        "type": kind,
        "occurred_at": START + at,
        "properties": properties,
    }


SHRUNK: dict[str, Case] = {
    # by what they are about
    "an erasure that is late, with events that have left the window since": _case(
        {"rules": [VIEWED], "qualify": QUALIFY},
        _event("a", 0),
        _event("b", 1),
        _event("d", 3 * DAY + 2),
        _event("e", 0, "contact.erased"),
        _event("c", 1),
    ),
    "an old event after an erasure and a restart": _case(
        {"rules": [VIEWED], "qualify": QUALIFY},
        _event("a", 0),
        _event("b", 0, "contact.erased"),
        _event("c", 0),
        cuts=(2,),
    ),
    "an erasure behind what a timer told": _case(
        {"rules": [VIEWED | {"decay": {"half_life": "1h"}}], "qualify": QUALIFY},
        _event("a", 0),
        _event("c", 7 * HOUR),
        _event("b", MINUTE, "contact.erased"),
    ),
    "points by hand to a pool, with an expiry that is past": _case(
        {"rules": [VIEWED], "groups": {"pool": {"drain": {"points": 1, "every": "1d"}}}, "qualify": QUALIFY},
        _event("a", 0, "score.adjusted", points=30, reason="call", group="pool", expires_at=START),
        later=DAY,
    ),
    "points by hand without effect, twice": _case(
        {"rules": [VIEWED], "qualify": QUALIFY},
        _event("a", 0),
        *[_event("b", 0, "score.adjusted", points=30, reason="call", group="nobody")] * 2,
    ),
    "a ready lead that turns out never to have been scored": _case(
        {
            "lateness": "0d",
            "rules": [{"rule": "fit", "when": {"not": {"attributes.title": "founder"}}, "points": 100}],
            "qualify": {"when": {"attributes.note": {"exists": False}}},
        },
        _event("b", MINUTE, "contact.updated"),
        _event("a", 0, "contact.updated", title="founder"),
    ),
    "an attribute that was removed, forgotten by a restart, and set again": _case(
        {
            "lateness": "1d",
            "rules": [VIEWED],
            "qualify": QUALIFY | {"include": ["attributes.a", "attributes.b", "attributes.c"]},
        },
        _event("a", 0, "contact.updated", a="x", b=None, c="y"),
        _event("b", DAY + 1, "contact.updated", b="z"),
        _event("c", 2 * DAY + 2),
        cuts=(2,),
    ),
}
