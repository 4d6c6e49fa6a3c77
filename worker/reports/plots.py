"""Where the bars, ticks and marks of a plot go: geometry in the units of an SVG's view box, no markup."""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING, NamedTuple

from worker.contracts.instants import MS_PER_WEEK, format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.reports.crossings import Period
    from worker.reports.distribution import Distribution
    from worker.scoring.model import Model

WIDTH, HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 30, 24, 28
_INNER_WIDTH = WIDTH - _LEFT - _RIGHT
_INNER_HEIGHT = HEIGHT - _TOP - _BOTTOM
_MAX_X_LABELS = 10
_LEAST_HEIGHT = 1.0  # a bar of one contact among thousands is seen still


class Bar(NamedTuple):
    """A bar, with what is said when one points at it."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    text: str


class Tick(NamedTuple):
    """A labelled place on an axis, or a labelled line across."""

    at: float
    text: str


class Plot(NamedTuple):
    """All of a plot; x grows to the right, y downwards."""

    bars: list[Bar]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    marks: list[Tick]  # vertical lines
    base_y: float  # of the x axis
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM


def histogram(spread: Distribution, model: Model) -> Plot | None:
    """Return the plot of *spread* with the thresholds of the model's tiers; None when nobody has a score."""
    bins = spread.bins
    if not bins:
        return None
    low, high = bins[0].low, bins[-1].high
    most = max(one.contacts for one in bins)
    step = _INNER_WIDTH / len(bins)
    base_y = _TOP + _INNER_HEIGHT
    bars = [
        _bar(
            _LEFT + place * step,
            step,
            base_y,
            one.contacts / most,
            _INNER_HEIGHT,
            "bar",
            f"{one.low:g} to below {one.high:g}: {one.contacts:,} contacts",
        )
        for place, one in enumerate(bins)
        if one.contacts
    ]
    every = -(-len(bins) // _MAX_X_LABELS)
    bounds = [one.low for one in bins] + [high]
    x_ticks = [Tick(_round(_LEFT + place * step), f"{bounds[place]:g}") for place in range(0, len(bounds), every)]
    marks = [
        Tick(_round(_LEFT + _INNER_WIDTH * (tier.threshold - low) / (high - low)), tier.name)
        for tier in model.tiers
        if low < tier.threshold < high
    ]
    return Plot(bars, x_ticks, _y_ticks(most, base_y, _INNER_HEIGHT), marks, base_y)


def told_by_week(weeks: int, periods: Sequence[Period]) -> Plot | None:
    """Return the plot of leads that became ready, upwards, and cooled, downwards; None when there were none."""
    if not periods:
        return None
    most = max(max(one.ready, one.cooled) for one in periods)
    half = _INNER_HEIGHT / 2 if any(one.cooled for one in periods) else _INNER_HEIGHT
    base_y = _TOP + half
    step = _INNER_WIDTH / len(periods)
    bars = []
    for place, one in enumerate(periods):
        x = _LEFT + place * step
        since = format_instant(one.start_ms)[:10]
        until = format_instant(one.start_ms + weeks * MS_PER_WEEK - 1)[:10]
        if one.ready:
            text = f"{since} to {until}: {one.ready:,} ready"
            bars.append(_bar(x, step, base_y, one.ready / most, half, "ready", text))
        if one.cooled:
            text = f"{since} to {until}: {one.cooled:,} cooled"
            bars.append(_bar(x, step, base_y, -one.cooled / most, half, "cooled", text))
    every = -(-len(periods) // _MAX_X_LABELS)
    x_ticks = [
        Tick(_round(_LEFT + (place + 0.5) * step), format_instant(periods[place].start_ms)[:10])
        for place in range(0, len(periods), every)
    ]
    y_ticks = _y_ticks(most, base_y, half)
    if half < _INNER_HEIGHT:
        y_ticks += [Tick(_round(2 * base_y - tick.at), tick.text) for tick in y_ticks[1:]]
    return Plot(bars, x_ticks, y_ticks, [], base_y)


def _bar(x: float, step: float, base_y: float, share: float, full: float, kind: str, text: str) -> Bar:
    """Return a bar of *share* (-1 to 1) of the *full* height, from the base line upwards, or downwards below 0."""
    gap = min(2.0, step * 0.15)
    height = max(_LEAST_HEIGHT, abs(share) * full)
    y = base_y - height if share >= 0 else base_y
    return Bar(_round(x + gap / 2), _round(y), _round(max(0.5, step - gap)), _round(height), kind, text)


def _y_ticks(most: int, base_y: float, full: float) -> list[Tick]:
    """Return ticks from 0 up at round numbers, at most five above 0."""
    least = most / 5
    power = 10.0 ** floor(log10(least)) if least > 1 else 1.0
    step = next(int(digit * power) for digit in (1, 2, 5, 10) if digit * power >= least)
    return [Tick(_round(base_y - full * value / most), f"{value:,}") for value in range(0, most + 1, step)]


def _round(value: float) -> float:
    return round(value, 1)
