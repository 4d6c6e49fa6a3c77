"""How points go: the forms of `decay`, and the `drain` of a group that is one pool."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from worker.contracts.instants import MS_PER_DAY
from worker.scoring.decay import Decay, Drain, Expire, HalfLife, Linear, Percent
from worker.scoring.file import values
from worker.scoring.file.durations import duration_from
from worker.scoring.file.fields import Key, defined, describes, read_section, whole
from worker.scoring.file.findings import nearest
from worker.scoring.file.tree import ScalarNode

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node

MAX_LOTS_MS = 730 * MS_PER_DAY
"""For forms that keep dated lots: with buckets of a day, so many lots a rule and contact."""

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%")


@describes(
    {
        "oneOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            {"type": "string", "pattern": f"^{_SHARE.pattern}$"},
        ]
    }
)
def _rate(context: Context, node: Node, path: str) -> float:
    """Return the share of points that goes at a step: `2%` or 0.02, above 0 and at most 1."""
    value = values.scalar(context, node, path)
    if isinstance(value, str):
        written = _SHARE.fullmatch(value)
        value = float(Decimal(written[1]) / 100) if written else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        fix = "write 2%, or 0.02; above 0% and at most 100%, with at most 6 decimals"
        raise context.refusal("model.bad_value", node, path, "this is no share", fix)
    return float(value)


PERCENT = (
    Key("rate", _rate, "share: 2% or 0.02", "the share of what is left that goes at each step", is_required=True),
    Key(
        "every",
        duration_from(1_000),
        "duration",
        "time between two steps, counted from Monday, 2001-01-01, in UTC; 1d: at midnight",
        is_required=True,
    ),
)
DRAIN = (
    Key(
        "points",
        values.points_above_0,
        "above 0, to 1,000,000",
        "so many points go at each step, never across 0",
        is_required=True,
    ),
    Key(
        "every",
        duration_from(1_000),
        "duration",
        "time between two steps, counted from Monday, 2001-01-01, in UTC; 1d: at midnight",
        is_required=True,
    ),
)


@describes(defined("percent"))
def _percent(context: Context, node: Node, path: str) -> Percent:
    fields = whole(read_section(context, node, path, PERCENT))
    return Percent(fields["rate"], fields["every"])


DECAY = (
    Key(
        "half_life",
        duration_from(1_000),
        "duration",
        "half of the points are left after this time, a quarter after twice of it",
    ),
    Key("percent", _percent, "percent", "a share of what is left goes at each step"),
    Key(
        "linear",
        duration_from(1_000, MAX_LOTS_MS),
        "duration, at most 730d",
        "points go evenly, all of them are gone after this time",
    ),
    Key(
        "expire",
        duration_from(1_000, MAX_LOTS_MS),
        "duration, at most 730d",
        "points stay whole, and go all at once after this time",
    ),
)


@describes(defined("decay"))
def decay(context: Context, node: Node, path: str) -> Decay | None:
    """
    Return how points fade; None is `none`: never.

    Raises:
        RefusedError: something in it was refused.
    """
    if isinstance(node, ScalarNode):
        if node.value == "none":
            return None
        written = node.value if isinstance(node.value, str) else ""
        advice = nearest(written, ("none",)) if written else "write none"
        problem = "`none` or a form of decay is wanted here"
        raise context.refusal("model.bad_value", node, path, problem, f"{advice}, or {{half_life: 30d}}")
    fields = whole(read_section(context, node, path, DECAY))
    if not fields:
        problem = "the form of decay is missing"
        raise context.refusal("model.missing_key", node, path, problem, "write none, or {half_life: 30d}")
    if len(fields) > 1:
        problem = f"points fade in one way, these are {len(fields)}: {', '.join(fields)}"
        raise context.refusal("model.conflict", node, path, problem, "keep one of them")
    ((form, value),) = fields.items()
    return _FORMS[form](value)


def _as_read(percent: Percent) -> Decay:
    return percent


_FORMS: dict[str, Callable[[Any], Decay]] = {
    "half_life": HalfLife,
    "percent": _as_read,
    "linear": Linear,
    "expire": Expire,
}


@describes(defined("drain"))
def drain(context: Context, node: Node, path: str) -> Drain:
    """
    Return how a pool loses points.

    Raises:
        RefusedError: something in it was refused.
    """
    fields = whole(read_section(context, node, path, DRAIN))
    return Drain(fields["points"], fields["every"])
