"""One explanation, and how its examples become whole models."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEAD = "model: example\nversion: 1\n"
_RULES = "rules:\n  - {rule: pricing page, when: {type: pricing.viewed}, points: 60, limit: {times: 1, per: day}}\n"


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    Why a finding matters, and an example of it *before* and *after* it was mended.

    Examples leave out what is not their matter: name, version, or the rules. A line of theirs with `{n}` stands for *repeat* of its kind.
    """

    why: str
    before: str
    after: str
    repeat: int = 0

    def shown(self, example: str) -> str:
        """Return *example* as people should see it: of lines that repeat the first two."""
        lines = []
        for line in example.splitlines():
            if self.repeat and "{n}" in line:
                lines += [line.replace("{n}", "1"), line.replace("{n}", "2"), f"# ... and so on, to {self.repeat:,}"]
            else:
                lines.append(line)
        return "\n".join(lines)

    def whole(self, example: str) -> str:
        """Return *example* as the text of a whole model."""
        text = "".join(
            "".join(line.replace("{n}", str(n + 1)) for n in range(self.repeat))
            if self.repeat and "{n}" in line
            else line
            for line in example.splitlines(keepends=True)
        )
        if not re.search(r"^rules:?", text, re.MULTILINE):
            text += _RULES
        return text if re.search(r"^model:?", text, re.MULTILINE) else _HEAD + text
