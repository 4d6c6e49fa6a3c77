"""The parts of a rule that shape its awards: `once_per`, `limit`, `machine`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.scoring.file import values
from worker.scoring.file.durations import duration_from
from worker.scoring.file.event_when import event_field
from worker.scoring.file.fields import Key, defined, describes, read_each, read_section, whole
from worker.scoring.file.tree import ListNode, ScalarNode
from worker.scoring.limits import Calendar, Limit, Rolling

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node
    from worker.scoring.model import FieldPath, Machine

MAX_TIMES = 1_000
PERIODS = ("day", "week", "month")

LIMIT = (
    Key("times", values.integer_between(1, MAX_TIMES), "1 to 1000", "so many awards at most", is_required=True),
    Key("within", duration_from(1_000), "duration", "in any span of this length, up to and with the event"),
    Key("per", values.one_of(PERIODS), "day, week or month", "in one civil day, ISO week or month of `time_zone`"),
)


@describes(defined("once_per"))
def once_per(context: Context, node: Node, path: str) -> tuple[FieldPath, ...]:
    """
    Return the fields whose values may give one award each; `contact` gives ().

    Raises:
        RefusedError: it is something else.
    """
    if isinstance(node, ScalarNode) and node.value == "contact":
        return ()
    if not isinstance(node, ListNode):
        return (_once_field(context, node, path),)
    fields = read_each(context, node, path, _once_field)
    return tuple(values.distinct(context, node, path, fields))


def _once_field(context: Context, node: Node, path: str) -> FieldPath:
    written = values.text(context, node, path)
    if written == "contact":
        fix = "write `once_per: contact` for one award at all, or name fields only"
        raise context.refusal("model.bad_value", node, path, '"contact" cannot stand in a list', fix)
    if written.partition(".")[0] == "attributes":
        problem = "an attribute belongs to the contact, and is no mark by which one event differs from another"
        raise context.refusal(
            "model.unknown_field", node, path, problem, "name a field of the event: properties.<name>"
        )
    return event_field(context, node, path, written)


@describes(defined("limit"))
def limit(context: Context, node: Node, path: str) -> Limit:
    """
    Return how often a rule may award.

    Raises:
        RefusedError: something in it was refused.
    """
    fields = whole(read_section(context, node, path, LIMIT))
    if ("within" in fields) == ("per" in fields):
        fix = "keep one of the two" if "per" in fields else "add `within: 7d`, or `per: day`"
        raise context.refusal("model.conflict", node, path, "a limit has either `within` or `per`", fix)
    if "within" in fields:
        return Rolling(times=fields["times"], within_ms=fields["within"])
    return Calendar(times=fields["times"], per=fields["per"], time_zone=context.time_zone)


@describes({"enum": [True, False, "any"]})
def machine(context: Context, node: Node, path: str) -> Machine:
    """
    Return which events a rule sees: `false` humans' (the default), `true` machines' only, `any` both.

    Raises:
        RefusedError: it is something else.
    """
    forms: dict[Any, Machine] = {False: "no", True: "only", "any": "any"}
    if isinstance(node, ScalarNode) and (isinstance(node.value, bool) or node.value == "any"):
        return forms[node.value]
    raise context.refusal(
        "model.bad_value", node, path, "true, false or any is wanted here", "write true (machines only), false or any"
    )
