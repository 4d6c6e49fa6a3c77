"""Texts that events are compared with, and that look right but never match."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file.fields import join
from worker.scoring.file.findings import shown
from worker.scoring.file.lookalikes import described, strange_letter
from worker.scoring.file.tree import ListNode, MappingNode, ScalarNode

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node
    from worker.scoring.model import Model


def strange_texts(context: Context, _: Model, root: MappingNode) -> None:
    """Report each text of the file with letters of two alphabets in one word; names and keys with such were refused."""
    _check(context, root, "")


def _check(context: Context, node: Node, path: str) -> None:
    match node:
        case MappingNode():
            for key, (_, value) in node.entries.items():
                _check(context, value, join(path, key))
        case ListNode():
            for place, item in enumerate(node.items):
                _check(context, item, f"{path}[{place}]")
        case ScalarNode(value=str(text)) if (letter := strange_letter(text)) is not None:
            problem = f'in "{shown(text)}" one letter only looks like its neighbours: {described(letter)}'
            context.report("model.mixed_scripts", node, path, problem, "type the text anew, in one alphabet")
