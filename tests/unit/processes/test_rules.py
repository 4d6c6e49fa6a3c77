"""When processes are started again, stopped and killed, in virtual time."""

from __future__ import annotations

import math
from signal import SIGKILL, SIGTERM

import pytest

from worker.processes.rules import BackOff, Supervision

STOP_S = 25.0


def running(*numbers: int) -> Supervision:
    """Return the rules of processes that have all been started at 0."""
    rules = Supervision(numbers, STOP_S)
    for number in rules.to_start(0.0):
        rules.started(number, 0.0)
    return rules


def test_each_early_end_doubles_the_wait_from_a_second_up_to_half_a_minute() -> None:
    back_off = BackOff()
    assert [back_off.after(ran_s=2.0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_five_healthy_minutes_make_the_wait_short_again() -> None:
    back_off = BackOff()
    assert [back_off.after(0.0), back_off.after(0.0), back_off.after(300.0), back_off.after(299.0)] == [1, 2, 1, 2]


def test_all_are_started_at_once() -> None:
    rules = Supervision([1, 2, 3], STOP_S)
    assert rules.to_start(7.0) == [1, 2, 3]
    assert not rules.is_over


@pytest.mark.parametrize("code", [70, 1, 2, 0, -9, -11, -15, 137])
def test_whatever_else_ends_a_process_it_is_started_again_and_the_others_are_left_alone(code: int) -> None:
    rules = running(1, 2)
    rules.ended(1, code, 10.0)
    assert rules.to_signal(10.0) == []
    assert rules.to_start(10.9) == []
    assert rules.wakes_at() == 11.0
    assert rules.starts_in(1, 10.5) == 0.5
    assert rules.to_start(11.0) == [1]
    rules.started(1, 11.0)
    assert rules.wakes_at() == math.inf
    assert not rules.is_over


def test_processes_back_off_each_by_itself() -> None:
    rules = running(1, 2)
    rules.ended(1, 70, 1.0)
    rules.started(1, 2.0)
    rules.ended(1, 70, 3.0)
    rules.ended(2, 70, 3.0)
    assert (rules.starts_in(1, 3.0), rules.starts_in(2, 3.0)) == (2.0, 1.0)


@pytest.mark.parametrize("code", [69, 78])
def test_what_a_restart_would_not_mend_stops_all_and_is_the_exit_code(code: int) -> None:
    rules = running(1, 2, 3)
    rules.ended(2, code, 5.0)
    assert rules.to_signal(5.0) == [(1, SIGTERM), (3, SIGTERM)]
    assert rules.to_signal(5.0) == [], "passed on once"
    rules.ended(1, 0, 6.0)
    assert not rules.is_over
    rules.ended(3, 0, 6.0)
    assert (rules.is_over, rules.exit_code, rules.cause) == (True, code, 2)
    assert rules.to_start(100.0) == []


@pytest.mark.parametrize("first", [69, 78])
def test_what_an_operator_has_to_mend_goes_before_what_time_may_mend(first: int) -> None:
    rules = running(1, 2)
    rules.ended(1, first, 5.0)
    rules.ended(2, 147 - first, 5.0)
    assert (rules.exit_code, rules.cause) == (78, 1 if first == 78 else 2)


def test_one_that_waits_to_be_started_again_is_not_started_into_a_stop() -> None:
    rules = running(1, 2)
    rules.ended(1, 70, 5.0)
    rules.told(5.5)
    assert rules.to_start(6.0) == []
    rules.ended(2, 0, 6.0)
    assert (rules.is_over, rules.exit_code) == (True, 0)


def test_a_signal_is_passed_on_once_and_all_that_stop_in_time_are_a_success() -> None:
    rules = running(1, 2)
    rules.told(5.0)
    assert rules.to_signal(5.0) == [(1, SIGTERM), (2, SIGTERM)]
    assert rules.to_signal(20.0) == []
    rules.ended(1, 0, 6.0)
    rules.ended(2, -SIGTERM, 6.0)
    assert (rules.is_over, rules.exit_code) == (True, 0), "one that was still importing has begun nothing"


def test_whoever_does_not_stop_in_time_is_killed_and_that_is_said() -> None:
    rules = running(1, 2)
    rules.told(5.0)
    rules.to_signal(5.0)
    rules.ended(1, 0, 6.0)
    assert rules.wakes_at() == 5.0 + STOP_S + 2.0
    assert rules.to_signal(31.9) == []
    assert rules.to_signal(32.0) == [(2, SIGKILL)]
    assert rules.to_signal(32.1) == []
    assert rules.wakes_at() == math.inf
    rules.ended(2, -SIGKILL, 32.1)
    assert (rules.is_over, rules.exit_code) == (True, 70)


def test_a_second_signal_hurries_and_a_third_one_kills() -> None:
    rules = running(1, 2)
    rules.told(5.0)
    rules.to_signal(5.0)
    rules.told(8.0)
    assert rules.to_signal(8.0) == [(1, SIGTERM), (2, SIGTERM)]
    assert rules.wakes_at() == 13.0
    rules.ended(1, 70, 8.1)
    rules.told(9.0)
    assert rules.to_signal(9.0) == [(2, SIGKILL)]
    rules.ended(2, -SIGKILL, 9.1)
    assert (rules.is_over, rules.exit_code) == (True, 70)


def test_a_second_signal_does_not_give_more_time() -> None:
    rules = running(1)
    rules.told(0.0)
    rules.told(26.0)
    assert rules.wakes_at() == 27.0


def test_a_signal_during_a_stop_that_one_of_them_caused_hurries_it_and_keeps_its_code() -> None:
    rules = running(1, 2)
    rules.ended(1, 78, 5.0)
    rules.to_signal(5.0)
    rules.told(6.0)
    assert rules.to_signal(6.0) == [(2, SIGTERM)]
    assert rules.wakes_at() == 11.0
    rules.ended(2, 70, 6.1)
    assert (rules.is_over, rules.exit_code) == (True, 78)


def test_one_that_finds_something_to_mend_as_it_stops_says_so_as_one_worker_would() -> None:
    rules = running(1, 2)
    rules.told(5.0)
    rules.to_signal(5.0)
    rules.ended(1, 78, 6.0)
    assert rules.to_signal(6.0) == [], "the other has been told already"
    assert rules.wakes_at() == 32.0
    rules.ended(2, 0, 7.0)
    assert (rules.is_over, rules.exit_code, rules.cause) == (True, 78, 1)


def test_a_signal_before_anything_runs_is_the_end() -> None:
    rules = Supervision([1, 2], STOP_S)
    rules.told(0.0)
    assert (rules.is_over, rules.exit_code, rules.to_start(0.0)) == (True, 0, [])
