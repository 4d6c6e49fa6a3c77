"""The reference of model files, written from the very tables that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file.awards import LIMIT
from worker.scoring.file.fading import DECAY, DRAIN, PERCENT
from worker.scoring.file.idleness import ACTIVITY, INACTIVITY
from worker.scoring.file.model_keys import MODEL, SCORE
from worker.scoring.file.rules import GROUP, RULE
from worker.scoring.file.sales import FEEDBACK, QUALIFY
from worker.scoring.file.state_when import SEEN
from worker.scoring.operators import OPERATORS

if TYPE_CHECKING:
    from worker.scoring.file.fields import Section

SECTIONS: tuple[tuple[str, str, Section], ...] = (
    ("A model file", "The keys at the top.", MODEL),
    ("score", "Bounds of the sum of all groups, and how it is shown.", SCORE),
    ("A group", "One entry of `groups`.", GROUP),
    ("A rule", "One item of `rules`.", RULE),
    ("limit", "How often a rule may award: `times`, and either `within` or `per`.", LIMIT),
    ("decay", "`none`, or one form of:", DECAY),
    ("percent", "A form of decay, in steps.", PERCENT),
    ("drain", "Of a group that is one pool: all that is given to it goes in.", DRAIN),
    ("activity", "One of the two.", ACTIVITY),
    ("A step of inactivity", "One item of `inactivity`; the order is reset, multiply, points.", INACTIVITY),
    ("qualify", "When a lead is sales-ready, and when it has cooled.", QUALIFY),
    ("seen", "A part of a condition on the state: one such mapping, or a list of them, all of which must hold.", SEEN),
    ("Feedback", "One entry of `feedback`, for a type such as `sales.rejected`.", FEEDBACK),
)


def model_reference() -> str:
    """Return every key and operator of a model file as Markdown tables."""
    parts = [_table(title, intro, section) for title, intro, section in SECTIONS]
    rows = "".join(f"| `{name}` | {operator.operand} | {operator.doc} |\n" for name, operator in OPERATORS.items())
    parts.append(
        f"## Operators\n\nWhat may stand in a test.\n\n| operator | value | holds when the field is |\n|---|---|---|\n{rows}"
    )
    return "\n".join(parts)


def _table(title: str, intro: str, section: Section) -> str:
    rows = ""
    for key in section:
        default = "required" if key.is_required else key.default
        doc = key.doc
        rows += f"| `{key.name}` | {key.type} | {default} | {doc} |\n"
    return f"## {title}\n\n{intro}\n\n| key | value | default | meaning |\n|---|---|---|---|\n{rows}"
