"""`rules` and `groups`: what gives points, and what bounds them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file import awards, fading, values
from worker.scoring.file.event_when import event_condition
from worker.scoring.file.fields import (
    Fields,
    Key,
    NamedRule,
    RefusedError,
    defined,
    describes,
    entry_of,
    join,
    mapping,
    read_section,
    sequence,
    value_of,
    whole,
)
from worker.scoring.file.tree import MappingNode, ScalarNode
from worker.scoring.model import ENGAGEMENT, Group, Rule

if TYPE_CHECKING:
    from worker.scoring.decay import Decay
    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node

_cap_of_rule = values.number_between(0, values.MAX_NUMBER)

GROUP = (
    Key("cap", values.number, "number", "its value counts at most so much"),
    Key("floor", values.number, "number", "its value counts at least so much"),
    Key(
        "decay",
        fading.decay,
        "`none` or a form of decay",
        "how the points of its rules fade, unless a rule says otherwise",
        "none",
    ),
    Key("drain", fading.drain, "drain", "everything given to the group is one pool that loses points step by step"),
)
RULE = (
    Key("rule", values.name, "text", "its name, unique; transitions and reports show it", is_required=True),
    Key("when", event_condition, "condition on an event", "which events it is about", is_required=True),
    Key(
        "points",
        values.points,
        "-1,000,000 to 1,000,000",
        "points for each such event, at most 3 decimals; 0 only counts; may be left out beside `reset`",
    ),
    Key("group", values.group_reference, "name of a group", "the group its points belong to", ENGAGEMENT),
    Key(
        "once_per",
        awards.once_per,
        "`contact`, a field or a list of fields",
        "one award for each distinct value; `contact`: one at all",
    ),
    Key("limit", awards.limit, "limit", "how often it may award"),
    Key("decay", fading.decay, "`none` or a form of decay", "how its points fade", "that of its group"),
    Key("cap", _cap_of_rule, "number from 0", "all its points together count at most so much, up or down"),
    Key(
        "machine",
        awards.machine,
        "true, false or any",
        "whether it sees events that no human did: only those, none, or all",
        "false",
    ),
    Key(
        "reset",
        values.group_references,
        "list of groups",
        "drops everything these groups hold, before points are given",
    ),
)


def name_groups(context: Context, node: Node | None) -> None:
    """Put the names of the groups into *context*, `engagement` first, before anything refers to them."""
    names = node.entries if isinstance(node, MappingNode) else {}
    for name in (ENGAGEMENT, *names):
        context.groups.setdefault(name, len(context.groups))
    context.drains.update(
        context.groups[name]
        for name, (_, group) in names.items()
        if isinstance(group, MappingNode) and "drain" in group.entries
    )


@describes({"type": "object", "additionalProperties": defined("group")})
def groups(context: Context, node: Node, path: str) -> dict[str, tuple[Group, Decay | None]]:
    """
    Return each group that the file describes, with the decay of its rules.

    Raises:
        RefusedError: *node* is no mapping, or a group was refused.
    """
    read = {}
    looks = {ENGAGEMENT: ENGAGEMENT}
    entries = mapping(context, node, path).entries
    for name, (key_node, value) in entries.items():
        try:
            values.check_name(context, key_node, join(path, name), name)
            values.check_apart(context, key_node, join(path, name), name, looks)
            read[name] = _group(context, name, value, join(path, name))
        except RefusedError:
            continue
    if len(read) < len(entries):
        raise RefusedError
    return read


def _group(context: Context, name: str, node: Node, path: str) -> tuple[Group, Decay | None]:
    fields = whole(read_section(context, node, path, GROUP))
    check_bounds(context, node, path, fields.get("floor"), fields.get("cap"))
    if "drain" in fields and "decay" in fields:
        problem = "a group that drains is one pool, and its rules have no decay"
        raise context.refusal(
            "model.conflict", entry_of(node, "decay"), f"{path}.decay", problem, "keep one of the two"
        )
    group = Group(
        name, context.groups[name], floor=fields.get("floor"), cap=fields.get("cap"), drain=fields.get("drain")
    )
    return group, fields.get("decay")


def check_bounds(context: Context, node: Node, path: str, floor: float | None, cap: float | None) -> None:
    """
    Check that a floor does not lie above its cap.

    Raises:
        RefusedError: it does.
    """
    if floor is not None and cap is not None and floor > cap:
        problem = f"the floor {floor:g} lies above the cap {cap:g}"
        raise context.refusal("model.conflict", node, path, problem, "lower the floor or raise the cap")


@describes({"type": "array", "items": defined("rule"), "minItems": 1})
def rules(context: Context, node: Node, path: str) -> list[Fields]:
    """
    Return the fields of each rule, in file order; group decays are filled in by `build_rule`.

    Raises:
        RefusedError: there are none, or one was refused; all of them have been read.
    """
    items = sequence(context, node, path).items
    if not items:
        raise context.refusal("model.bad_value", node, path, "there are no rules", "write at least one rule")
    named: dict[str, int] = {}
    looks: dict[str, str] = {}
    read = []
    for place, item in enumerate(items):
        try:
            fields = read_section(context, item, f"{path}[{place}]", RULE)
            _check_distinct(context, item, f"{path}[{place}].rule", fields, named)
            if "rule" in fields:
                values.check_apart(context, value_of(item, "rule"), f"{path}[{place}].rule", fields["rule"], looks)
            _note_name(context, place, fields)
            read.append(_checked(context, item, f"{path}[{place}]", whole(fields)))
        except RefusedError:
            continue
    if len(read) < len(items):
        raise RefusedError
    return read


def _note_name(context: Context, place: int, fields: Fields) -> None:
    """Let other parts of the file name this rule; what could not be read of it is given the benefit of the doubt."""
    if "rule" in fields:
        is_fit = "when" in fields and fields["when"].is_fit
        gives = fields.is_broken or "points" in fields
        context.rules[fields["rule"]] = NamedRule(place, gives=gives, is_fit=is_fit)


def _check_distinct(context: Context, node: Node, path: str, fields: Fields, named: dict[str, int]) -> None:
    name = fields.get("rule")
    if name is None or not isinstance(node, MappingNode):
        return
    _, value = node.entries["rule"]
    if name in named:
        problem = f'a rule "{name}" stands in line {named[name]} already'
        raise context.refusal(
            "model.duplicate_name", value, path, problem, "remove one of the two, or give it a name of its own"
        )
    if isinstance(value, ScalarNode):
        named[name] = value.line


NOT_IN_FIT_RULES = ("once_per", "limit", "decay", "cap", "machine", "reset")
NOT_IN_POOLS = ("decay", "cap")
NOT_WITHOUT_POINTS = ("once_per", "limit")


def _checked(context: Context, node: Node, path: str, fields: Fields) -> Fields:
    """
    Return *fields* if they go together.

    Raises:
        RefusedError: they do not.
    """
    if "points" not in fields and ("reset" not in fields or fields["when"].is_fit):
        raise context.refusal("model.missing_key", node, path, 'the key "points" is missing', _ADD_POINTS)
    if fields["when"].is_fit:
        problem = "a rule that reads attributes only holds or does not: there is nothing to count, to fade or to reset"
        _refuse_keys(context, node, path, NOT_IN_FIT_RULES, problem, "remove it, or name an event in `when`")
    if "points" not in fields:
        problem = "a rule without points gives no award, so there is nothing to count"
        _refuse_keys(context, node, path, NOT_WITHOUT_POINTS, problem, "remove it, or add `points: 0`")
    if fields.get("group", 0) in context.drains:
        problem = "its group drains: it is one pool, in which no rule has points of its own"
        _refuse_keys(context, node, path, NOT_IN_POOLS, problem, "remove it, or take another group")
        if fields["when"].is_fit:
            problem = "a rule that reads attributes only cannot fill a pool that drains"
            fix = "take another group, or name an event in `when`"
            raise context.refusal("model.conflict", entry_of(node, "when"), f"{path}.when", problem, fix)
    return fields


_ADD_POINTS = "add points: points for each such event"


def _refuse_keys(context: Context, node: Node, path: str, names: tuple[str, ...], problem: str, fix: str) -> None:
    """
    Check that the rule at *node* has none of the keys *names*.

    Raises:
        RefusedError: it has; each such key has been reported.
    """
    found = [name for name in names if isinstance(node, MappingNode) and name in node.entries]
    for name in found:
        context.report("model.conflict", entry_of(node, name), f"{path}.{name}", problem, fix)
    if found:
        raise RefusedError


def build_rule(fields: Fields, index: int, decays: dict[int, Decay | None]) -> Rule:
    """Return the rule that *fields* describe; *decays* are those of the groups, by group index."""
    group = fields.get("group", 0)
    is_bare = fields["when"].is_fit or "points" not in fields
    return Rule(
        name=fields["rule"],
        index=index,
        group=group,
        when=fields["when"],
        points=fields.get("points", 0.0),
        machine=fields.get("machine", "no"),
        once_per=fields.get("once_per"),
        limit=fields.get("limit"),
        decay=fields["decay"] if "decay" in fields else None if is_bare else decays.get(group),
        cap=fields.get("cap"),
        reset=fields.get("reset", ()),
        gives="points" in fields,
    )
