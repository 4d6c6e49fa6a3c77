"""The machine behind every section: a table of keys, each with its reader and its sentence for the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from worker.scoring.file.findings import Finding, FindingCode, nearest, shown
from worker.scoring.file.tree import ListNode, MappingNode, Node


class RefusedError(Exception):
    """A value was refused; its finding is in the report. Never leaves this package."""


@dataclass
class Context:
    """What readers share: the report, and the names that other parts of the file may refer to."""

    where: str
    findings: list[Finding] = field(default_factory=list)
    groups: dict[str, int] = field(default_factory=dict)  # name -> index
    tiers: dict[str, int] = field(default_factory=dict)  # name -> rank
    time_zone: str = "UTC"

    def report(self, code: FindingCode, node: Node, key: str, problem: str, fix: str) -> None:
        """Add a finding; reading goes on."""
        self.findings.append(Finding(code, self.where, node.line, node.column, key, problem, fix))

    def refusal(self, code: FindingCode, node: Node, key: str, problem: str, fix: str) -> RefusedError:
        """Add a finding and return what to raise: this value is given up, its siblings are still read."""
        self.report(code, node, key, problem, fix)
        return RefusedError()


Reader = Callable[[Context, Node, str], Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section. A key without *read* is known, and refused because this version cannot do it."""

    name: str
    read: Reader | None
    type: str  # as the reference shows it
    doc: str  # one sentence
    default: str = ""  # as the reference shows it; '' is none
    is_required: bool = False


Section = tuple[Key, ...]


class Fields(dict[str, Any]):
    """The values of a section that could be read; *is_broken* when some could not."""

    is_broken = False


def read_section(context: Context, node: Node, path: str, section: Section) -> Fields:
    """
    Read the mapping *node* by the table *section*, key by key in the order of the table.

    Every unknown, missing, unsupported and wrong key is reported, not only the first.

    Raises:
        RefusedError: *node* is no mapping.
    """
    entries = mapping(context, node, path).entries
    fields = Fields()
    known = {key.name: key for key in section}
    advice = set()
    for name, (key_node, _) in entries.items():
        if name not in known:
            advice.add(report_unknown_key(context, key_node, join(path, name), name, known))
            fields.is_broken = True
    for key in section:
        if key.name not in entries:
            if key.is_required and f'write "{key.name}"' not in advice:  # misspelt is not missing
                problem = f'the key "{key.name}" is missing'
                context.report("model.missing_key", node, path, problem, f"add {key.name}: {key.doc}")
                fields.is_broken = True
            continue
        key_node, value = entries[key.name]
        if key.read is None:
            report_unsupported(context, key_node, join(path, key.name), f'"{key.name}"')
            fields.is_broken = True
            continue
        try:
            fields[key.name] = key.read(context, value, join(path, key.name))
        except RefusedError:
            fields.is_broken = True
    return fields


def read_each(context: Context, node: Node, path: str, read: Reader) -> list[Any]:
    """
    Read every item of the list *node*; all of them are read before the list is refused.

    Raises:
        RefusedError: *node* is no list, or an item was refused.
    """
    values = []
    items = sequence(context, node, path).items
    for place, item in enumerate(items):
        try:
            values.append(read(context, item, f"{path}[{place}]"))
        except RefusedError:
            continue
    if len(values) < len(items):
        raise RefusedError
    return values


def mapping(context: Context, node: Node, path: str) -> MappingNode:
    """
    Return *node* if it is a mapping.

    Raises:
        RefusedError: it is none.
    """
    if isinstance(node, MappingNode):
        return node
    raise context.refusal(
        "model.wrong_type", node, path, "a mapping (key: value) is wanted here", "write `key: value` lines below it"
    )


def sequence(context: Context, node: Node, path: str) -> ListNode:
    """
    Return *node* if it is a list.

    Raises:
        RefusedError: it is none.
    """
    if isinstance(node, ListNode):
        return node
    raise context.refusal(
        "model.wrong_type", node, path, "a list is wanted here", "write [a, b], or one `- ` line an item"
    )


def whole(fields: Fields) -> Fields:
    """
    Return *fields* if nothing in them was refused.

    Raises:
        RefusedError: something was.
    """
    if fields.is_broken:
        raise RefusedError
    return fields


def report_unknown_key(context: Context, node: Node, path: str, name: str, known: Iterable[str]) -> str:
    """Report a key that does not exist here; return the advice given, with the nearest one that does."""
    advice = nearest(name, known)
    context.report("model.unknown_key", node, path, f'there is no key "{shown(name)}" here', advice)
    return advice


def report_unsupported(context: Context, node: Node, path: str, what: str) -> None:
    """Report a construct of the model language that this version cannot carry out."""
    fix = "remove it, or run a version that knows it"
    context.report("model.unsupported", node, path, f"{what} is not supported by this version", fix)


def join(path: str, name: str) -> str:
    """
    Return the path of the key *name* below *path*.

    >>> join("rules[0]", "points"), join("", "model")
    ('rules[0].points', 'model')
    """
    return f"{path}.{shown(name)}" if path else shown(name)
