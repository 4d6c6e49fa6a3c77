"""
What a valid model will hardly do as it was meant: warnings and notes, none of which keeps it from loading.

Reading order: `branches` (what a condition asks for), `contradictions`, `reach` (how high a score may get), `rules`, `telling`, `texts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file.review.contradictions import contradictions
from worker.scoring.file.review.reach import out_of_reach
from worker.scoring.file.review.rules import rules_in_doubt
from worker.scoring.file.review.telling import telling_in_doubt
from worker.scoring.file.review.texts import strange_texts

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import MappingNode
    from worker.scoring.model import Model

__all__ = ["review"]


def review(context: Context, model: Model, root: MappingNode) -> None:
    """Report to *context* what is doubtful in *model*, which was read from *root* without errors."""
    for check in (contradictions, out_of_reach, rules_in_doubt, telling_in_doubt, strange_texts):
        check(context, model, root)
