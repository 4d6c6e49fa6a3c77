"""What a law is tried on: a model, what happened, how it arrived and was read, and instants at which somebody looks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

from tests.support.choices import Choices
from tests.support.generated_events import delivered, full_happenings
from tests.support.generated_models import full_models, lateness_ms
from tests.support.lattice import moved

Json = dict[str, Any]
T = TypeVar("T")
_BYTES_OF_A_DELIVERY = 80


class Case(NamedTuple):
    """One generated case. Instants in ms."""

    model: Json
    happened: list[Json]  # in the order of their instants
    arrived: list[Json]
    looks: list[int]  # ascending; the first is the instant of the newest event
    cuts: list[int] = []  # how many records each round but the last has  # noqa: RUF012 - never changed

    def rounds(self, records: Sequence[T]) -> list[Sequence[T]]:
        """Return *records* cut into rounds, some of them empty."""
        bounds = [0, *(sum(self.cuts[: place + 1]) for place in range(len(self.cuts))), len(records)]
        return [records[first:last] for first, last in pairwise(bounds)]

    def is_within_window(self) -> bool:
        """Return whether nothing is late, and ids keep their content: what arrival order must not change."""
        window, newest = lateness_ms(self.model), self.arrived[0]["occurred_at"]
        known: dict[str, Json] = {}
        for event in self.arrived:
            newest = max(newest, event["occurred_at"])
            if event["occurred_at"] < newest - window or known.setdefault(event["id"], event) is not event:
                return False
        return True


_OF_A_DELIVERY = st.binary(min_size=_BYTES_OF_A_DELIVERY, max_size=_BYTES_OF_A_DELIVERY)


@st.composite
def full_cases(draw: st.DrawFn, *, max_rules: int = 5, max_events: int = 20, within_window: bool = False) -> Case:
    """A case with every construct; for *within_window* see `Case.is_within_window`."""
    model, happened = draw(full_models(max_rules=max_rules)), draw(full_happenings(max_size=max_events))
    choices = Choices(draw(_OF_A_DELIVERY))
    looks = [max(event["occurred_at"] for event in happened)]
    for _ in range(choices.below(4)):
        looks.append(moved(looks[-1], choices))
    cuts = [choices.below(8) for _ in range(choices.below(5))]
    arrived = delivered(happened, choices, lateness_ms(model) if within_window else None)
    return Case(model, happened, arrived, looks, cuts)
