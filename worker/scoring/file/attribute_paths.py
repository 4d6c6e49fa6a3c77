"""Names of attributes of a contact: `attributes.<path>`, in conditions and in the lists of `qualify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file import values
from worker.scoring.file.fields import describes, read_each
from worker.scoring.file.findings import shown

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node

Path = tuple[str, ...]

PATTERN = r"^attributes(\.[^.]+)+$"
"""Of a written path, for editors."""

_ROOT = "attributes"


def attribute_path(context: Context, node: Node, path: str, written: str) -> Path:
    """
    Return the path below `attributes` that *written* names, and note that the model needs the attribute.

    Raises:
        RefusedError: it names none.
    """
    root, *names = written.split(".")
    if root != _ROOT or not names or not all(names):
        problem = f'"{shown(written)}" is no attribute of a contact'
        fix = (
            f'write "{_ROOT}.<name>", with single dots between names'
            if root == _ROOT
            else f'write "{_ROOT}.{shown(written)}"'
        )
        raise context.refusal("model.unknown_field", node, path, problem, fix)
    context.name_attribute(node, path, names[0])
    return tuple(names)


@describes({"type": "array", "items": {"type": "string", "pattern": PATTERN}, "minItems": 1, "uniqueItems": True})
def attribute_paths(context: Context, node: Node, path: str) -> tuple[Path, ...]:
    """
    Return the paths of a list of attributes, at least one, each once.

    Raises:
        RefusedError: it is something else.
    """
    return tuple(values.distinct(context, node, path, read_each(context, node, path, _item)))


def _item(context: Context, node: Node, path: str) -> Path:
    return attribute_path(context, node, path, values.text(context, node, path))
