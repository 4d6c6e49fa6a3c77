"""The slow reading searches for the instant at which time changes something; looking at every second must find the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.naive.contact import Contact
from tests.support.naive.due import Watch, first_due
from tests.support.naive.events import read_event
from tests.support.naive.fold import read
from tests.support.naive.model import Model

Json = dict[str, Any]
SECOND, MINUTE = 1_000, 60_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""


def _everything() -> Model:
    forms: list[Json | str] = [
        {"half_life": "4m"},
        {"percent": {"rate": "20%", "every": "2m"}},
        {"linear": "9m"},
        {"expire": "7m"},
        "none",
    ]
    rules = [{"when": {"type": f"act{place}"}, "points": 12.5, "decay": form} for place, form in enumerate(forms)]
    rules += [{"when": {"type": f"bad{place}"}, "points": -10, "decay": form} for place, form in enumerate(forms[:4])]
    rules += [
        {"when": {"type": "pour"}, "points": 9, "group": "pool"},
        {"when": {"type": "spill"}, "points": -6, "group": "pool"},
    ]
    named = [{"rule": f"rule {number}", **one} for number, one in enumerate(rules)]
    return {
        "model": "m",
        "version": 1,
        "rules": named,
        "groups": {"pool": {"drain": {"points": 2, "every": "45s"}, "cap": 8}},
        "tiers": {"cold": 0, "warm": 10, "hot": 20},
        "qualify": {
            "when": {"score": {"at_least": 12}},
            "rearm": {
                "any": [
                    {"score": {"less_than": 10}},
                    {"groups.pool": {"less_than": -3}},
                    {"not": {"seen": [{"rule": "rule 0", "within": "11m"}]}, "score": {"less_than": 30}},
                ]
            },
        },
        "inactivity": [
            {"after": "3m", "every": "4m", "points": -2},
            {"after": "8m", "multiply": 0.5, "group": "pool"},
            {"after": "10m", "points": 4, "group": "pool"},
        ],
    }


def _event(name: str, kind: str, at: int, **properties: Any) -> Json:
    return {"id": name, "contact_id": "c", "type": kind, "occurred_at": at, "properties": properties}


KINDS = [
    *(f"act{place}" for place in range(5)),
    *(f"bad{place}" for place in range(4)),
    "pour",
    "spill",
    "score.adjusted",
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.integers(0, 150_000), st.integers(1, 900_000)), min_size=1, max_size=8
    ),
    st.booleans(),
    st.sampled_from([None, 0, 1, 2]),
    st.integers(1, 900),
)
def test_the_search_finds_what_looking_every_second_finds(
    happened: list[tuple[str, int, int]], is_ready: bool, rank: int | None, seconds: int
) -> None:
    contact = Contact(_everything(), "c")
    for number, (kind, at, more) in enumerate(happened):
        one = _event(str(number), kind, START + at, points=15, reason="call", expires_at=START + at + more)
        contact.receive(read_event(one), 0)
    state, _ = contact.refold()
    watch = Watch(cooling=is_ready, told_rank=rank)
    until = contact.newest + seconds * SECOND
    instants = {contact.newest // SECOND * SECOND + one * SECOND for one in range(1, seconds + 1)}
    instants |= {START + at + more for kind, at, more in happened if kind == "score.adjusted"}
    instants |= {START + at + 11 * MINUTE for kind, at, _ in happened if kind == "act0"}
    if state.last_activity is not None:
        instants |= {state.last_activity + idle * MINUTE for idle in (3, 7, 8, 10, 11, 15)}
    looked = (at for at in sorted(instants) if contact.newest < at <= until and watch.acts(read(state, at)))
    assert first_due(state, contact.newest, until, watch) == next(looked, None)
