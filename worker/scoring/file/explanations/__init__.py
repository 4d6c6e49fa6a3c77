"""What each code of a finding means: why it matters, and an example before and after. Tests lint every example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file.explanations.explanation import Explanation
from worker.scoring.file.explanations.notes import NOTES
from worker.scoring.file.explanations.reading import READING
from worker.scoring.file.explanations.refusals import REFUSALS
from worker.scoring.file.explanations.warnings import WARNINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.scoring.file.findings import FindingCode

__all__ = ["EXPLANATIONS", "Explanation"]

EXPLANATIONS: Mapping[FindingCode, Explanation] = {**READING, **REFUSALS, **WARNINGS, **NOTES}
"""One for each code there is."""
