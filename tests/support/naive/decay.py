"""What is left of points as time passes, form by form; steps and buckets count from the first Monday of 2001."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp2

from tests.support.naive.model import Decay, Drain

FIRST_MONDAY = 978_307_200_000
"""2001-01-01T00:00:00Z, where steps and buckets begin."""
_MINUTE = 60_000
_BUCKETS = tuple(minutes * _MINUTE for minutes in (1, 5, 30, 120, 720, 1440))


@dataclass
class Curve:
    """Points that fade together: a value as it stood at a reference instant, or dated lots by the start of a bucket."""

    value: float = 0.0
    reference: int | None = None
    lots: dict[int, float] = field(default_factory=dict)


@dataclass
class Pool:
    """What a draining group holds, as it stood at a reference instant; one that was never given to has none."""

    value: float = 0.0
    reference: int | None = None


def multiples_in(every: int, start: int, end: int) -> int:
    """
    Return how many multiples of *every* ms lie in (start, end].

    >>> multiples_in(1_000, FIRST_MONDAY, FIRST_MONDAY + 2_000)
    2
    """
    return (end - FIRST_MONDAY) // every - (start - FIRST_MONDAY) // every


def bucket_start(length: int, at: int) -> int:
    """Return the start of the bucket that *at* lies in, of points that last *length* ms."""
    size = max((one for one in _BUCKETS if one * 24 <= length), default=_MINUTE)
    return FIRST_MONDAY + (at - FIRST_MONDAY) // size * size


def curve_left(curve: Curve, decay: Decay | None, at: int) -> float:
    """Return what *curve* still comes to at *at*."""
    if decay is not None and decay.form in {"linear", "expire"}:
        today = bucket_start(decay.length, at)
        left = 0.0
        for start, points in sorted(curve.lots.items()):
            left += _lot_left(points, today - start, decay)
        return left
    if decay is None or curve.reference is None:
        return curve.value
    return curve.value * _part_left(decay, curve.reference, at)


def curve_give(curve: Curve, decay: Decay | None, points: float, own: int) -> None:
    """Add *points* that were given at *own*, which is before what is already there when an event came late."""
    if decay is not None and decay.form in {"linear", "expire"}:
        start = bucket_start(decay.length, own)
        curve.lots[start] = curve.lots.get(start, 0.0) + points
    elif curve.reference is None:
        curve.value, curve.reference = 0.0 + points, own
    elif decay is None:
        curve.value += points
    elif own >= curve.reference:
        curve.value = curve.value * _part_left(decay, curve.reference, own) + points
        curve.reference = own
    else:
        curve.value += points * _part_left(decay, own, curve.reference)


def curve_scale(curve: Curve, factor: float, *, penalties_too: bool) -> None:
    """Multiply what is there; what fades does not care when it was scaled, so dates stay as they are."""
    if curve.value > 0 or penalties_too:
        curve.value *= factor
    for start, points in curve.lots.items():
        if points > 0 or penalties_too:
            curve.lots[start] = points * factor


def pool_left(pool: Pool, drain: Drain, at: int) -> float:
    """Return what the pool holds at *at*: each step moves it towards 0 and never across."""
    if pool.reference is None:
        return 0.0
    size = max(0.0, abs(pool.value) - drain.points * multiples_in(drain.every, pool.reference, at))
    return size if pool.value > 0 else 0.0 - size


def pool_give(pool: Pool, drain: Drain, points: float, at: int) -> None:
    """Pour *points* in at *at*."""
    pool.value, pool.reference = pool_left(pool, drain, at) + points, at


def pool_scale(pool: Pool, drain: Drain, factor: float, at: int, *, penalties_too: bool) -> None:
    """Multiply what the pool holds at *at*."""
    left = pool_left(pool, drain, at)
    if pool.reference is not None and (left > 0 or penalties_too):
        pool.value, pool.reference = left * factor, at


def _part_left(decay: Decay, start: int, end: int) -> float:
    if decay.form == "half_life":
        return exp2((start - end) / decay.length)
    return (1.0 - decay.rate) ** multiples_in(decay.length, start, end)


def _lot_left(points: float, age: int, decay: Decay) -> float:
    if decay.form == "expire":
        return points if age < decay.length else 0.0
    return points * max(0.0, 1 - age / decay.length)
