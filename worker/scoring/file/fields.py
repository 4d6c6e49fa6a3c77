"""The machine behind every section: a table of keys, each with its reader and its sentence for the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from worker.scoring.file.findings import EnoughError, Finding, FindingCode, nearest, shown
from worker.scoring.file.tree import ListNode, MappingNode, Node

if TYPE_CHECKING:
    from worker.scoring.model import Seen

MAX_ATTRIBUTES = 64
"""Names of attributes in one model: what is kept of a contact."""


class RefusedError(Exception):
    """A value was refused; its finding is in the report. Never leaves this package."""


class NamedRule(NamedTuple):
    """What other parts of the file must know of a rule before they may name it."""

    place: int  # in the file
    gives: bool  # it gives points
    is_fit: bool


@dataclass
class Context:
    """What readers share: the report, and the names that other parts of the file may refer to."""

    where: str
    findings: list[Finding] = field(default_factory=list)
    groups: dict[str, int] = field(default_factory=dict)  # name -> index
    tiers: dict[str, int] = field(default_factory=dict)  # name -> rank
    drains: set[int] = field(default_factory=set)  # indexes of groups that are pools
    rules: dict[str, NamedRule] = field(default_factory=dict)
    seen: dict[Seen, int] = field(default_factory=dict)  # each once -> its place
    attributes: set[str] = field(default_factory=set)  # names at the top that the file mentions
    time_zone: str = "UTC"
    most: int | None = None  # findings after which reading stops

    def name_attribute(self, node: Node, key: str, name: str) -> None:
        """Note that the file mentions the attribute *name*; one more than can be kept is reported, once."""
        if name in self.attributes:
            return
        self.attributes.add(name)
        if len(self.attributes) == MAX_ATTRIBUTES + 1:
            problem = f"these are more than {MAX_ATTRIBUTES} attributes, and no more are kept of a contact"
            self.report(
                "model.too_many", node, key, problem, "name fewer, or let one event bring several as one object"
            )

    def report(self, code: FindingCode, node: Node, key: str, problem: str, fix: str) -> None:
        """
        Add a finding; reading goes on.

        Raises:
            EnoughError: it is the last one that is reported.
        """
        self.findings.append(Finding(code, self.where, node.line, node.column, key, problem, fix))
        if self.most is not None and len(self.findings) >= self.most:
            raise EnoughError

    def refusal(self, code: FindingCode, node: Node, key: str, problem: str, fix: str) -> RefusedError:
        """Add a finding and return what to raise: this value is given up, its siblings are still read."""
        self.report(code, node, key, problem, fix)
        return RefusedError()


Reader = Callable[[Context, Node, str], Any]


AnyReader = TypeVar("AnyReader", bound=Callable[..., Any])
Schema = Mapping[str, Any]
_SCHEMAS: dict[Callable[..., Any], Schema] = {}


def describes(schema: Schema) -> Callable[[AnyReader], AnyReader]:
    """Return a decorator that keeps *schema*, JSON Schema of what a reader reads; `schema_of` finds it."""

    def keep(read: AnyReader) -> AnyReader:
        _SCHEMAS[read] = schema
        return read

    return keep


def schema_of(read: Callable[..., Any]) -> Schema:
    """Return what `describes` said of the reader *read*; {} (anything) if nothing did."""
    return _SCHEMAS.get(read, {})


def defined(name: str) -> Schema:
    """Return a reference to the definition *name* of the JSON Schema of model files."""
    return {"$ref": f"#/$defs/{name}"}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section."""

    name: str
    read: Reader
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

    Every unknown, missing and wrong key is reported, not only the first.

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
            meant = (f'write "{key.name}"', f'write "{key.name}: ')
            if key.is_required and not any(one.startswith(meant) for one in advice):  # misspelt is not missing
                problem = f'the key "{key.name}" is missing'
                context.report("model.missing_key", node, path, problem, f"add {key.name}: {key.doc}")
                fields.is_broken = True
            continue
        _, value = entries[key.name]
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


def value_of(node: Node, name: str) -> Node:
    """Return the value of the key *name* of the mapping *node*; the mapping itself where it has none."""
    if isinstance(node, MappingNode) and name in node.entries:
        return node.entries[name][1]
    return node


def entry_of(node: Node, name: str) -> Node:
    """Return the node of the key *name* of the mapping *node*; the mapping itself where it has none."""
    if isinstance(node, MappingNode) and name in node.entries:
        return node.entries[name][0]
    return node


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


def join(path: str, name: str) -> str:
    """
    Return the path of the key *name* below *path*.

    >>> join("rules[0]", "points"), join("", "model")
    ('rules[0].points', 'model')
    """
    return f"{path}.{shown(name)}" if path else shown(name)
