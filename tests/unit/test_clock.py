from __future__ import annotations

import math

from worker import clock


def test_wall_clock_is_in_milliseconds_of_this_century() -> None:
    assert 1_735_689_600_000 < clock.now_ms() < 4_102_444_800_000  # 2025 to 2100


def test_monotonic_and_cpu_never_go_back() -> None:
    assert clock.monotonic() <= clock.monotonic()
    assert 0 <= clock.cpu_seconds() <= clock.cpu_seconds()


def test_deadline_without_budget_has_passed_at_once() -> None:
    assert clock.Deadline(0).has_passed
    assert clock.Deadline(-1).has_passed
    assert clock.Deadline(-1).remaining() == 0


def test_deadline_with_budget_has_not_passed_and_tells_what_is_left() -> None:
    deadline = clock.Deadline(60)
    assert not deadline.has_passed
    assert 0 < deadline.remaining() <= 60
    assert clock.Deadline(math.inf).remaining() == math.inf
