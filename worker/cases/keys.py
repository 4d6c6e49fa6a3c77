"""The keys of a cases file: what each part of a case may say, read strictly, each problem with its line and a fix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from worker.cases.case import Number
from worker.cases.instants import EXAMPLES, check_at, parse_start
from worker.scoring.explain import names_of_lines
from worker.scoring.file import values
from worker.scoring.file.fields import (
    Context,
    Fields,
    Key,
    defined,
    describes,
    join,
    mapping,
    read_each,
    read_section,
    whole,
)
from worker.scoring.file.findings import MAX_FINDINGS, nearest, shown
from worker.scoring.file.tree import MappingNode, Node, ScalarNode, plain

if TYPE_CHECKING:
    from worker.scoring.model import Model

DEFAULT_START = "2026-01-01"
EXACT = 1e-6
"""How close an exact number is unless the case says otherwise."""

STATUSES = ("open", "held", "ready", "resting", "waiting", "closed")
KINDS: dict[str, Literal["lead.sales_ready", "lead.cooled", "lead.tier_changed"]] = {
    "sales_ready": "lead.sales_ready",
    "cooled": "lead.cooled",
    "tier_changed": "lead.tier_changed",
}


@dataclass
class CasesContext(Context):
    """What readers of a cases file share: the report, and the names of the model that it is about."""

    lines: frozenset[str] = field(default_factory=frozenset)  # names of lines of an explanation

    @classmethod
    def of(cls, model: Model, where: str) -> CasesContext:
        """Return a context for cases of *model* in the file *where*."""
        return cls(
            where,
            most=MAX_FINDINGS,
            groups={group.name: group.index for group in model.groups},
            tiers={tier.name: rank for rank, tier in enumerate(model.tiers)},
            lines=frozenset(names_of_lines(model)),
        )


@dataclass(frozen=True, slots=True)
class Said:
    """An instant as it is written, before it is known what it counts from."""

    text: str
    node: Node
    path: str


@describes(
    {"type": "string", "minLength": 1, "examples": ["day 30", "3 days later", "1ms before day 30", "2026-03-29"]}
)
def _said(context: Context, node: Node, path: str) -> Said:
    text = values.text(context, node, path)
    try:
        check_at(text)
    except ValueError:
        raise context.refusal("model.bad_value", node, path, "this is no instant", f"write {EXAMPLES}") from None
    return Said(text, node, path)


@describes({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})
def _start(context: Context, node: Node, path: str) -> int:
    text = values.text(context, node, path)
    try:
        return parse_start(text)
    except ValueError:
        fix = f"write a day like {DEFAULT_START}, from 1990 to 2099; it begins at midnight UTC"
        raise context.refusal("model.bad_value", node, path, "this is no day to start with", fix) from None


@describes({"type": "object"})
def _json(context: Context, node: Node, path: str) -> dict[str, Any]:
    found = plain(mapping(context, node, path))
    return found if isinstance(found, dict) else {}


@describes({"type": "string", "minLength": 1})
def _tier(context: Context, node: Node, path: str) -> str:
    values.reference("tier", context.tiers, context, node, path)
    return values.text(context, node, path)


NUMBER = (
    Key("exact", values.number, "number", "the number before it is rounded for show", is_required=True),
    Key("within", values.number_between(0, 1e6), "number from 0", "how close is close enough", "0.000001"),
)


@describes(defined("number"))
def _number(context: Context, node: Node, path: str) -> Number:
    """Return a plain number, as shown, or one before rounding."""
    if isinstance(node, MappingNode):
        fields = whole(read_section(context, node, path, NUMBER))
        return Number(fields["exact"], fields.get("within", EXACT))
    return Number(values.number(context, node, path))


@describes({"type": "object", "additionalProperties": defined("number")})
def _groups(context: Context, node: Node, path: str) -> dict[str, Number]:
    read = {}
    for name, (key_node, value) in mapping(context, node, path).entries.items():
        if name not in context.groups:
            problem, fix = f'there is no group "{shown(name)}"', nearest(name, context.groups)
            raise context.refusal("model.unknown_name", key_node, join(path, name), problem, fix)
        read[name] = _number(context, value, join(path, name))
    return read


@describes({"type": "object", "additionalProperties": {"type": ["number", "null"]}})
def _reasons(context: Context, node: Node, path: str) -> dict[str, float | None]:
    known = context.lines if isinstance(context, CasesContext) else ()
    read: dict[str, float | None] = {}
    for name, (key_node, value) in mapping(context, node, path).entries.items():
        if name not in known:
            problem, fix = f'nothing in this model is called "{shown(name)}"', nearest(name, known)
            raise context.refusal("model.unknown_name", key_node, join(path, name), problem, fix)
        is_any = isinstance(value, ScalarNode) and value.value is None
        read[name] = None if is_any else values.number(context, value, join(path, name))
    return read


TRANSITION = (
    Key("kind", values.one_of(tuple(KINDS)), " | ".join(KINDS), "what was told", is_required=True),
    Key("at", _said, "instant", "when, by event time"),
    Key("sequence", values.integer_between(1, 2**31 - 1), "whole number from 1", "its number"),
    Key("cause", values.text, "event type or `timer`", "what led to it"),
    Key("score", values.number, "number", "the score it carries, as shown"),
    Key("tier", _tier, "name of a tier", "the tier it carries"),
    Key("reasons", _reasons, "rule: points", "points now that it names for these rules; `null`: any"),
    Key("attributes", _json, "name: value", "the attributes it carries, all of them"),
)


def _transition(context: Context, node: Node, path: str) -> tuple[Node, Fields]:
    return node, whole(read_section(context, node, path, TRANSITION))


@describes({"anyOf": [{"const": "nothing"}, {"type": "array", "items": defined("transition")}]})
def _told(context: Context, node: Node, path: str) -> list[tuple[Node, Fields]]:
    if isinstance(node, ScalarNode) and node.value == "nothing":
        return []
    return read_each(context, node, path, _transition)


ADJUST = (
    Key("points", values.points, "number", "points given by hand", is_required=True),
    Key("group", values.text, "name of a group", "the group they belong to", "engagement"),
    Key("reason", values.text, "text", "why", "by hand"),
    Key("expires", _said, "instant", "when they go; `later` counts from the event"),
)


@describes(defined("adjust"))
def _adjust(context: Context, node: Node, path: str) -> Fields:
    return whole(read_section(context, node, path, ADJUST))


EVENT = (
    Key(
        "at", _said, "instant", "when it occurred; without it at the same time as the event before, the first at day 0"
    ),
    Key("type", values.text, "event type", "what happened; not needed beside `attributes` or `adjust`"),
    Key("id", values.text, "text", "its id; each event has one of its own unless a case says otherwise"),
    Key("source", values.text, "text", "who sent it"),
    Key("machine", values.boolean, "true or false", "whether no human did it", "false"),
    Key("properties", _json, "name: value", "its properties"),
    Key("attributes", _json, "name: value", "a `contact.updated` that brings these attributes; `null` removes one"),
    Key("adjust", _adjust, "points, group, reason, expires", "a `score.adjusted`: points given by hand"),
)


def _event(context: Context, node: Node, path: str) -> tuple[Node, str, Fields]:
    return node, path, whole(read_section(context, node, path, EVENT))


@describes({"type": "array", "items": defined("event")})
def _events(context: Context, node: Node, path: str) -> list[tuple[Node, str, Fields]]:
    return read_each(context, node, path, _event)


EXPECTATION = (
    Key("at", _said, "instant", "when to look; without it at the last event. Events later than that are left out"),
    Key("score", _number, "number, or {exact: number, within: number}", "the score, as shown or before rounding"),
    Key("groups", _groups, "group: number", "the values of these groups, as the score"),
    Key("tier", _tier, "name of a tier", "the tier"),
    Key("status", values.one_of(STATUSES), " | ".join(STATUSES), "what sales knows of the lead"),
    Key("unscored", values.boolean, "true or false", "whether nothing ever gave it points"),
    Key("reasons", _reasons, "rule: points", "what these rules add now; `null`: that they are there at all"),
    Key("told", _told, "list of transitions, or `nothing`", "all that sales was told since the expectation before"),
)


def _expectation(context: Context, node: Node, path: str) -> tuple[Node, Fields]:
    return node, whole(read_section(context, node, path, EXPECTATION))


@describes({"type": "array", "items": defined("expectation"), "minItems": 1})
def _expectations(context: Context, node: Node, path: str) -> list[tuple[Node, Fields]]:
    read = read_each(context, node, path, _expectation)
    if not read:
        fix = "write at least one, such as {at: day 30, score: 10}"
        raise context.refusal("model.bad_value", node, path, "nothing is expected", fix)
    return read


CASE = (
    Key("case", values.name, "text", "what it shows, in a sentence; unique", is_required=True),
    Key("start", _start, "date", "day 0, from midnight UTC", DEFAULT_START),
    Key("events", _events, "list of events", "what the contact did, in the order of arrival", is_required=True),
    Key("expect", _expectations, "list of expectations", "what must be true, in the order of time", is_required=True),
)


def _case(context: Context, node: Node, path: str) -> tuple[Node, Fields]:
    return node, whole(read_section(context, node, path, CASE))


@describes({"type": "array", "items": defined("case"), "minItems": 1})
def _cases(context: Context, node: Node, path: str) -> list[tuple[Node, Fields]]:
    read = read_each(context, node, path, _case)
    if not read:
        fix = "write at least one case: its name, `events:` and `expect:`"
        raise context.refusal("model.bad_value", node, path, "there are no cases", fix)
    return read


CASES = (Key("cases", _cases, "list of cases", "stories about one contact each", is_required=True),)
"""The top of a cases file."""
