"""Who is judged when. If one of these fails, figures about models are flattered by what nobody could have known."""

from __future__ import annotations

import pytest

from tests.support.small import DAY, START
from tests.support.small_history import history
from worker.fitting.looks import Question, judged_contacts, looks_at

QUESTION = Question("won", frozenset({"signed"}), frozenset({"lost"}), 30 * DAY, (DAY, 3 * DAY, 7 * DAY))
FAR = START + 1_000 * DAY


def ages(*acts: tuple[str, float, str]) -> list[tuple[int, bool, bool]]:
    """Return (age in days, won, open) of each look."""
    judged = judged_contacts(history(*acts).contacts, QUESTION, START, FAR)
    return [(look.age_ms // DAY, look.won, look.is_open) for look in looks_at(judged, QUESTION)]


def test_a_contact_is_looked_at_at_each_age_while_nothing_is_certain() -> None:
    assert ages(("a", 0, ""), ("won", 4, "")) == [(1, True, True), (3, True, True)]


def test_a_precursor_ends_the_looks_even_where_the_outcome_comes_later() -> None:
    assert ages(("a", 0, ""), ("signed", 2, ""), ("won", 9, "")) == [(1, True, True)]


def test_a_precursor_without_the_outcome_ends_the_looks_too() -> None:
    """Otherwise only losers would keep theirs, and having a look at all would tell who lost."""
    assert ages(("a", 0, ""), ("signed", 2, "")) == [(1, False, True)]


def test_the_instant_of_the_outcome_is_no_longer_looked_at() -> None:
    assert ages(("a", 0, ""), ("won", 1, "")) == []


def test_a_lost_contact_is_still_looked_at_but_not_open() -> None:
    assert ages(("a", 0, ""), ("lost", 2, "")) == [(1, False, True), (3, False, False), (7, False, False)]


def test_an_outcome_after_the_time_to_answer_in_is_none() -> None:
    assert ages(("a", 0, ""), ("won", 30, ""))[0] == (1, True, True)
    assert ages(("a", 0, ""), ("won", 30.01, ""))[0] == (1, False, True)


def test_a_contact_that_begins_with_something_certain_is_not_judged() -> None:
    assert ages(("signed", 0, ""), ("won", 5, "")) == []


@pytest.mark.parametrize("acts", [(("a", 10, ""),), (("a", 10, ""), ("won", 11, ""))], ids=["not won", "won"])
def test_a_contact_whose_time_is_not_over_is_left_out_whether_it_won_or_not(
    acts: tuple[tuple[str, float, str], ...],
) -> None:
    found = history(*acts).contacts
    assert len(judged_contacts(found, QUESTION, START, START + 40 * DAY)) == 1
    assert len(judged_contacts(found, QUESTION, START, START + 40 * DAY - 1)) == 0


def test_a_contact_that_began_before_the_slice_is_not_judged_in_it() -> None:
    found = history(("a", 10, ""), ("b", 20, "")).contacts
    assert judged_contacts(found, QUESTION, START + 10 * DAY + 1, FAR) == []
