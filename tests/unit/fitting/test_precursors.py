from __future__ import annotations

from tests.support.small import DAY, START, event_value
from worker.fitting.looks import Question
from worker.fitting.precursors import Suspect, suspects
from worker.fitting.timelines import read_timelines


def lines(contact: str, *acts: tuple[str, float]) -> list[bytes]:
    return [event_value(name, START + round(at * 1_000), contact=contact) for name, at in acts]


WINNERS = [
    line for n in range(4) for line in lines(f"w{n}", ("asked", 0), ("signed", 100), ("mail", 120), ("won", 150))
]
LOSERS = [line for n in range(4) for line in lines(f"l{n}", ("asked", 0), ("mail", 120))]
HISTORY = read_timelines(WINNERS + LOSERS)


def test_a_type_that_comes_with_the_outcome_and_never_without_it_is_suspect() -> None:
    assert suspects(HISTORY.contacts, Question("won"), START + DAY) == [Suspect("signed", 1.0, 1.0)]


def test_what_is_left_out_already_needs_no_warning() -> None:
    assert suspects(HISTORY.contacts, Question("won", frozenset({"signed"})), START + DAY) == []


def test_nothing_after_the_time_of_learning_is_looked_at() -> None:
    assert suspects(HISTORY.contacts, Question("won"), START + 149_000) == []
