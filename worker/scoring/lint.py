"""What would stop a model file from loading: every reason at once, connecting to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file.fields import Context
from worker.scoring.file.findings import Finding
from worker.scoring.file.model_keys import read_model
from worker.scoring.file.tree import read_tree
from worker.scoring.size import MAX_VALUE_BYTES, worst_case_bytes

if TYPE_CHECKING:
    from worker.scoring.model import Model


def lint_model(text: str, where: str) -> list[Finding]:
    """Return what is wrong with the model file *text*, in file order; empty when it loads. *where* names the file in the findings."""
    _, findings = check_model(text, where)
    return findings


def check_model(text: str, where: str) -> tuple[Model | None, list[Finding]]:
    """Return the model of *text*, or None with every reason why there is none."""
    root, findings = read_tree(text, where)
    if root is None:
        if not findings:
            findings = [
                Finding(
                    "model.not_yaml",
                    where,
                    1,
                    1,
                    "",
                    "the file is empty",
                    "write a model: `model: name`, `version: 1`, `rules:`",
                )
            ]
        return None, findings
    context = Context(where, findings)
    model = read_model(context, root)
    if model is not None and not context.findings and (worst := worst_case_bytes(model)) > MAX_VALUE_BYTES:
        context.findings.append(
            Finding(
                "model.state_too_large",
                where,
                1,
                1,
                "rules",
                f"one very busy contact could need {worst:,} bytes of stored state, and {MAX_VALUE_BYTES:,} is the most",
                "use `once_per` and large `limit: {times: ...}` in fewer rules, or split the model in two",
            )
        )
    findings = sorted(context.findings, key=lambda one: (one.line, one.column))
    return (None if findings else model), findings
