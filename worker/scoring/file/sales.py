"""`qualify` and `feedback`: when sales is told, and what follows from what sales does."""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING

from worker.contracts.event import RESERVED_TYPES
from worker.scoring.file import values
from worker.scoring.file.attribute_paths import attribute_paths
from worker.scoring.file.durations import duration_from
from worker.scoring.file.fields import (
    Fields,
    Key,
    RefusedError,
    defined,
    describes,
    join,
    mapping,
    read_section,
    report_unknown_key,
    value_of,
    whole,
)
from worker.scoring.file.state_when import state_condition
from worker.scoring.model import ENGAGEMENT, Feedback, Qualify, Reading

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node
    from worker.scoring.model import Group, Model

SALES_TYPES = frozenset(name for name in RESERVED_TYPES if name.startswith("sales."))
"""What sales can answer."""

QUALIFY = (
    Key("when", state_condition, "condition on the state", "a lead is sales-ready when this holds", is_required=True),
    Key(
        "rearm",
        state_condition,
        "condition on the state",
        "a ready lead has cooled when this holds and `when` does not",
        "`when` does not hold",
    ),
    Key(
        "again",
        values.one_of(("rearm", "recycle")),
        "rearm or recycle",
        "a cooled lead may be ready again at once, or only after `sales.recycled`",
        "rearm",
    ),
    Key("not_within", duration_from(0), "duration", "not ready again within this time of the last time", "0d"),
    Key("exclude", state_condition, "condition on the state", "a lead is not told while this holds"),
    Key("require", attribute_paths, "list of attributes", "what must be known and not empty before a lead is told"),
    Key("include", attribute_paths, "list of attributes", "what is copied into the transition; null where missing"),
)
FEEDBACK = (
    Key("points", values.points, "-1,000,000 to 1,000,000", "points for it"),
    Key("group", values.group_reference, "name of a group", "the group of `points`", ENGAGEMENT),
    Key("reset", values.group_references, "list of groups", "drops everything these groups hold"),
    Key(
        "latch",
        values.one_of(("open", "closed")),
        "open or closed",
        "open: the lead may be told again; closed: never again",
    ),
)


@describes(defined("qualify"))
def qualify(context: Context, node: Node, path: str) -> Qualify:
    """
    Return when sales is told.

    Raises:
        RefusedError: something in it was refused.
    """
    fields: Fields = whole(read_section(context, node, path, QUALIFY))
    return Qualify(
        when=fields["when"],
        rearm=fields.get("rearm"),
        again=fields.get("again", "rearm"),
        not_within_ms=fields.get("not_within", 0),
        exclude=fields.get("exclude"),
        require=fields.get("require", ()),
        include=fields.get("include", ()),
    )


@describes(
    {"type": "object", "propertyNames": {"enum": sorted(SALES_TYPES)}, "additionalProperties": defined("feedback")}
)
def feedback(context: Context, node: Node, path: str) -> dict[str, Feedback]:
    """
    Return what follows from each type of feedback.

    Raises:
        RefusedError: something in it was refused.
    """
    entries = mapping(context, node, path).entries
    read: dict[str, Feedback] = {}
    for index, (name, (key_node, value)) in enumerate(entries.items()):
        try:
            if name not in SALES_TYPES:
                report_unknown_key(context, key_node, join(path, name), name, SALES_TYPES)
                continue
            read[name] = _one(context, name, index, value, join(path, name))
        except RefusedError:
            continue
    if len(read) < len(entries):
        raise RefusedError
    return read


def _one(context: Context, name: str, index: int, node: Node, path: str) -> Feedback:
    fields = whole(read_section(context, node, path, FEEDBACK))
    if not fields.keys() & {"points", "reset", "latch"}:
        raise context.refusal(
            "model.missing_key",
            node,
            path,
            "nothing follows from this",
            "add points, reset or latch, or remove the line",
        )
    if "group" in fields and "points" not in fields:
        problem = "`group` belongs to points, and there are none"
        raise context.refusal(
            "model.conflict", node, f"{path}.group", problem, "remove it; reset names its groups itself"
        )
    return Feedback(
        type=name,
        index=index,
        reset=fields.get("reset", ()),
        points=fields.get("points"),
        group=fields.get("group", 0),
        latch=fields.get("latch"),
    )


def check_can_return(context: Context, model: Model, node: Node) -> None:
    """Report `again: recycle` without the feedback that alone lets a cooled lead be told again; *node* is `qualify`."""
    if model.qualify is None or model.qualify.again != "recycle":
        return
    recycled = model.feedback.get("sales.recycled")
    if recycled is None or recycled.latch != "open":
        problem = "with `again: recycle` only sales.recycled lets a lead be told again, and it does not open the latch"
        fix = "add `feedback: {sales.recycled: {latch: open}}`"
        context.report("model.conflict", value_of(node, "again"), "qualify.again", problem, fix)


def check_can_hold(context: Context, model: Model, node: Node) -> None:
    """Report a `when` that no state of this model can meet, floors and caps considered; *node* is `qualify`."""
    if model.qualify is None:
        return
    low = Reading(model.floor, tuple(_bound(group, -inf) for group in model.groups), 0)
    high = Reading(
        inf if model.cap is None else model.cap,
        tuple(_bound(group, inf) for group in model.groups),
        max(len(model.tiers) - 1, 0),
    )
    if model.qualify.when.judge(low, high) is False:
        bounds = ["the score " + _span(low.score, high.score)] if isfinite(high.score) or low.score > 0 else []
        bounds += [
            f"{group.name} {_span(low.groups[group.index], high.groups[group.index])}"
            for group in model.groups
            if group.floor is not None or group.cap is not None
        ]
        problem = f"no score of this model can meet this: {', '.join(bounds) or 'compare its parts'}"
        fix = "lower the threshold, or raise the floors and caps"
        context.report("model.never_holds", value_of(node, "when"), "qualify.when", problem, fix)


def _span(low: float, high: float) -> str:
    """
    Return a range in words.

    >>> _span(0.0, 50.0), _span(float("-inf"), 70.0), _span(5.0, float("inf"))
    ('lies from 0 to 50', 'is at most 70', 'is at least 5')
    """
    if isfinite(low) and isfinite(high):
        return f"lies from {low:g} to {high:g}"
    return f"is at most {high:g}" if isfinite(high) else f"is at least {low:g}"


def _bound(group: Group, unbounded: float) -> float:
    bound = group.floor if unbounded < 0 else group.cap
    return unbounded if bound is None else bound
