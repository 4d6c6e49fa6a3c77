"""How high the bar is set: for a wanted number of leads, or for a wanted share of winners among them."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, inf
from typing import TYPE_CHECKING

from worker.fitting.problems import NothingToLearnError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_TOLD = 20  # a precision among fewer leads is luck


@dataclass(frozen=True, slots=True)
class Target:
    """What the threshold is for: exactly one of the two is given."""

    volume: float | None = None  # share of the contacts below 1, their number from 1 up
    precision: float | None = None  # wanted share of winners, above 0 and below 1


def choose_threshold(peaks: Sequence[float], won: Sequence[bool], target: Target) -> int:
    """
    Return the whole number at which the wanted leads qualify.

    Args:
        peaks: The highest score that each contact reached while nothing was certain; -inf for one that had none.
        won: Whether it won.
        target: For a volume: the threshold whose number of leads is nearest, the higher of two equally near. For a
            precision: the lowest threshold that reaches it.

    Raises:
        NothingToLearnError: no threshold reaches the precision with at least 20 leads, or nobody has a score.

    >>> choose_threshold([10, 20, 30, 40], [False, False, True, True], Target(volume=2))
    30
    """
    steps = _steps(peaks, won)
    if not steps:
        raise NothingToLearnError("no contact has a score: there is no threshold to choose")
    if target.precision is not None:
        reaching = [at for at, told, right in steps if told >= _LEAST_TOLD and right >= target.precision * told]
        if not reaching:
            best = max((right / told for _, told, right in steps if told >= _LEAST_TOLD), default=0.0)
            raise NothingToLearnError(
                f"no threshold tells of {_LEAST_TOLD} leads or more of which {target.precision:.0%} win; the best one reaches "
                f"{best:.0%}: ask for less"
            )
        return min(reaching)
    volume = wanted_volume(target, len(peaks))
    return min(steps, key=lambda step: (abs(step[1] - volume), -step[0]))[0]


def wanted_volume(target: Target, contacts: int) -> float:
    """Return the number of leads that *target*, with a volume, means among *contacts*."""
    volume = target.volume or 0.0
    return volume * contacts if volume < 1 else volume


def _steps(peaks: Sequence[float], won: Sequence[bool]) -> list[tuple[int, int, int]]:
    """Return each whole number that somebody just reaches, falling: with those who reach it, and of these the winners."""
    reached: dict[int, tuple[int, int]] = {}
    for peak, is_won in zip(peaks, won, strict=True):
        if peak == -inf:
            continue
        at = floor(peak + 1e-9)
        told, right = reached.get(at, (0, 0))
        reached[at] = told + 1, right + is_won
    steps = []
    told_all = right_all = 0
    for at in sorted(reached, reverse=True):
        told_all += reached[at][0]
        right_all += reached[at][1]
        steps.append((at, told_all, right_all))
    return steps
