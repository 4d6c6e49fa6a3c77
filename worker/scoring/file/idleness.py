"""`activity` and `inactivity`: which events are a sign of life, and what happens without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.contracts.event import RESERVED_TYPES
from worker.contracts.instants import MS_PER_MINUTE
from worker.scoring.file import values
from worker.scoring.file.durations import duration_from
from worker.scoring.file.fields import Fields, Key, defined, describes, read_each, read_section, whole
from worker.scoring.model import ENGAGEMENT, Activity, InactivityStep

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node

MAX_STEPS = 64
MAX_FACTOR = 1_000.0

ACTIVITY = (
    Key("types", values.texts, "list of event types", "only events of these types are a sign of life"),
    Key(
        "not_types",
        values.texts,
        "list of event types",
        "events of all types but these are a sign of life",
        "email.delivered, email.bounced, email.spam_reported, email.unsubscribed",
    ),
)
INACTIVITY = (
    Key(
        "after",
        duration_from(MS_PER_MINUTE),
        "duration",
        "acts when the contact has been idle for so long",
        is_required=True,
    ),
    Key(
        "every",
        duration_from(MS_PER_MINUTE),
        "duration",
        "and again each time it has been idle for so much longer",
    ),
    Key(
        "points",
        values.points,
        "-1,000,000 to 1,000,000",
        "points; below 0 they only take from what is positive and make no debt",
    ),
    Key(
        "multiply",
        values.number_between(0, MAX_FACTOR),
        "number from 0 to 1000",
        "what the group holds is multiplied by it",
    ),
    Key("reset", values.group_references, "list of groups", "drops everything these groups hold"),
    Key("group", values.group_reference, "name of a group", "the group of `points` and `multiply`", ENGAGEMENT),
)


@describes(defined("activity"))
def activity(context: Context, node: Node, path: str) -> Activity:
    """
    Return which event types are a sign of life.

    Raises:
        RefusedError: something in it was refused.
    """
    fields = whole(read_section(context, node, path, ACTIVITY))
    if len(fields) != 1:
        fix = "keep one of the two" if fields else "write `not_types: [email.bounced]`, or `types: [...]`"
        raise context.refusal("model.conflict", node, path, "either `types` or `not_types` is wanted here", fix)
    if "not_types" in fields:
        return Activity(not_types=frozenset(fields["not_types"]))
    types = frozenset(fields["types"])
    for reserved in sorted(types & RESERVED_TYPES):
        problem = f'"{reserved}" is never a sign of life'
        raise context.refusal("model.bad_value", node, f"{path}.types", problem, "name things that the contact does")
    if not types:
        raise context.refusal("model.bad_value", node, f"{path}.types", "the list is empty", "name at least one type")
    return Activity(types=types)


@describes({"type": "array", "items": defined("step"), "maxItems": MAX_STEPS})
def inactivity(context: Context, node: Node, path: str) -> tuple[InactivityStep, ...]:
    """
    Return the steps of idleness in file order.

    Raises:
        RefusedError: something in it was refused.
    """
    steps = read_each(context, node, path, _step)
    if len(steps) > MAX_STEPS:
        raise context.refusal(
            "model.bad_value", node, path, f"these are more than {MAX_STEPS} steps", "use `every` for steps that repeat"
        )
    return tuple(steps)


def _step(context: Context, node: Node, path: str) -> InactivityStep:
    fields: Fields = whole(read_section(context, node, path, INACTIVITY))
    if not fields.keys() & {"points", "multiply", "reset"}:
        raise context.refusal(
            "model.missing_key", node, path, "this step does nothing", "add points, multiply or reset"
        )
    if "group" in fields and not fields.keys() & {"points", "multiply"}:
        problem = "`group` belongs to points or multiply, and neither is here"
        raise context.refusal(
            "model.conflict", node, f"{path}.group", problem, "remove it; reset names its groups itself"
        )
    if "every" in fields and fields.get("multiply", 0) > 1:
        problem = "a factor above 1 that repeats would grow without end"
        raise context.refusal(
            "model.conflict", node, f"{path}.multiply", problem, "remove `every`, or write a factor of at most 1"
        )
    return InactivityStep(
        after_ms=fields["after"],
        every_ms=fields.get("every"),
        reset=fields.get("reset", ()),
        multiply=fields.get("multiply"),
        points=fields.get("points"),
        group=fields.get("group", 0),
    )
