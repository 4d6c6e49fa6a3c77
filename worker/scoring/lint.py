"""What there is to say of a model file: what stops it from loading, and what is doubtful in it; connects to nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from worker.scoring.file.fields import Context
from worker.scoring.file.findings import MAX_FINDINGS, EnoughError, Finding
from worker.scoring.file.model_keys import read_model
from worker.scoring.file.review import review
from worker.scoring.file.tree import MappingNode, read_tree
from worker.scoring.size import MAX_VALUE_BYTES, worst_case_bytes

if TYPE_CHECKING:
    from worker.scoring.file.tree import Node
    from worker.scoring.model import Model


def lint_model(text: str, where: str) -> list[Finding]:
    """Return what stops the model file *text* from loading, in file order; empty when it loads. *where* names the file in the findings."""
    _, findings = check_model(text, where)
    return findings


def review_model(text: str, where: str) -> list[Finding]:
    """Return all there is to say of the model file *text*, in file order: errors, or if there are none, warnings and notes."""
    root, context, model = _read(text, where)
    if model is not None and isinstance(root, MappingNode):
        with suppress(EnoughError):
            review(context, model, root)
    return _in_order(context.findings)


def check_model(text: str, where: str) -> tuple[Model | None, list[Finding]]:
    """Return the model of *text*, or None with every reason why there is none."""
    _, context, model = _read(text, where)
    return model, _in_order(context.findings)


def _read(text: str, where: str) -> tuple[Node | None, Context, Model | None]:
    root, findings = read_tree(text, where)
    context = Context(where, findings, most=MAX_FINDINGS)
    if root is None:
        if not findings:
            fix = "write a model: `model: name`, `version: 1`, `rules:`"
            findings.append(Finding("model.not_yaml", where, 1, 1, "", "the file is empty", fix))
        return None, context, None
    model = None
    places = {(one.line, one.column) for one in findings}
    begun = len(findings)
    with suppress(EnoughError):
        model = read_model(context, root)
    # What is no value at all has been reported as that, and not once more as the wrong one.
    findings[begun:] = [one for one in findings[begun:] if (one.line, one.column) not in places]
    if model is not None and (worst := worst_case_bytes(model)) > MAX_VALUE_BYTES:
        problem = (
            f"one very busy contact could need {worst:,} bytes of stored state, and {MAX_VALUE_BYTES:,} is the most"
        )
        fix = "use `once_per` and large `limit: {times: ...}` in fewer rules, or split the model in two"
        context.findings.append(Finding("model.state_too_large", where, 1, 1, "rules", problem, fix))
        model = None
    return root, context, model


def _in_order(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: (one.line, one.column))
