"""`rules` and `groups`: what gives points, and what bounds them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file import awards, values
from worker.scoring.file.event_when import event_condition
from worker.scoring.file.fields import Fields, Key, RefusedError, join, mapping, read_section, sequence, whole
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
        awards.decay,
        "`none` or a form of decay",
        "how the points of its rules fade, unless a rule says otherwise",
        "none",
    ),
    Key("drain", None, "mapping", "everything given to the group is one pool that loses points step by step"),
)
RULE = (
    Key("rule", values.name, "text", "its name, unique; transitions and reports show it", is_required=True),
    Key("when", event_condition, "condition on an event", "which events it is about", is_required=True),
    Key(
        "points",
        values.points,
        "-1,000,000 to 1,000,000",
        "points for each such event, at most 3 decimals; 0 only counts",
        is_required=True,
    ),
    Key("group", values.group_reference, "name of a group", "the group its points belong to", ENGAGEMENT),
    Key(
        "once_per",
        awards.once_per,
        "`contact`, a field or a list of fields",
        "one award for each distinct value; `contact`: one at all",
    ),
    Key("limit", awards.limit, "limit", "how often it may award"),
    Key("decay", awards.decay, "`none` or a form of decay", "how its points fade", "that of its group"),
    Key("cap", _cap_of_rule, "number from 0", "all its points together count at most so much, up or down"),
    Key(
        "machine",
        awards.machine,
        "true, false or any",
        "whether it sees events that no human did: only those, none, or all",
        "false",
    ),
    Key("reset", None, "list of groups", "drops everything these groups hold"),
)


def name_groups(context: Context, node: Node | None) -> None:
    """Put the names of the groups into *context*, `engagement` first, before anything refers to them."""
    names = node.entries if isinstance(node, MappingNode) else {}
    for name in (ENGAGEMENT, *names):
        context.groups.setdefault(name, len(context.groups))


def groups(context: Context, node: Node, path: str) -> dict[str, tuple[Group, Decay | None]]:
    """
    Return each group that the file describes, with the decay of its rules.

    Raises:
        RefusedError: *node* is no mapping, or a group was refused.
    """
    read = {}
    entries = mapping(context, node, path).entries
    for name, (key_node, value) in entries.items():
        try:
            values.check_name(context, key_node, join(path, name), name)
            read[name] = _group(context, name, value, join(path, name))
        except RefusedError:
            continue
    if len(read) < len(entries):
        raise RefusedError
    return read


def _group(context: Context, name: str, node: Node, path: str) -> tuple[Group, Decay | None]:
    fields = whole(read_section(context, node, path, GROUP))
    check_bounds(context, node, path, fields.get("floor"), fields.get("cap"))
    group = Group(name, context.groups[name], floor=fields.get("floor"), cap=fields.get("cap"))
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
    read = []
    for place, item in enumerate(items):
        try:
            fields = read_section(context, item, f"{path}[{place}]", RULE)
            _check_distinct(context, item, f"{path}[{place}].rule", fields, named)
            read.append(whole(fields))
        except RefusedError:
            continue
    if len(read) < len(items):
        raise RefusedError
    return read


def _check_distinct(context: Context, node: Node, path: str, fields: Fields, named: dict[str, int]) -> None:
    name = fields.get("rule")
    if name is None or not isinstance(node, MappingNode):
        return
    _, value = node.entries["rule"]
    if name in named:
        problem = f'a rule "{name}" stands in line {named[name]} already'
        raise context.refusal("model.duplicate_name", value, path, problem, "give each rule a name of its own")
    if isinstance(value, ScalarNode):
        named[name] = value.line


def build_rule(fields: Fields, index: int, decays: dict[int, Decay | None]) -> Rule:
    """Return the rule that *fields* describe; *decays* are those of the groups, by group index."""
    group = fields.get("group", 0)
    return Rule(
        name=fields["rule"],
        index=index,
        group=group,
        when=fields["when"],
        points=fields["points"],
        machine=fields.get("machine", "no"),
        once_per=fields.get("once_per"),
        limit=fields.get("limit"),
        decay=fields["decay"] if "decay" in fields else decays.get(group),
        cap=fields.get("cap"),
    )
