"""Why a file cannot be read as a model at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file.explanations.explanation import Explanation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.scoring.file.findings import FindingCode

READING: Mapping[FindingCode, Explanation] = {
    "model.unreadable": Explanation(
        "There is no file of this name, it may not be read, or it is no UTF-8 text. A word without a slash and without "
        ".yaml is the name of a model that comes with the worker; a path names a file.",
        before="leadscore model lint simple-10\n",
        after="leadscore model lint simple-100\n",
    ),
    "model.too_large": Explanation(
        "A model of more than 256 KiB, or of more than 16,000 values, is read by nobody. Rules that differ in one value "
        "are one rule with a list, and models with different aims are different models: several can run at once.",
        before="rules:\n  - {rule: country {n}, when: {type: form.submitted, properties.country: c{n}}, points: 5}\n",
        after="rules:\n  - {rule: countries, when: {type: form.submitted, properties.country: [nl, be, de]}, points: 5}\n",
        repeat=2_500,
    ),
    "model.too_deep": Explanation(
        "Conditions may lie 32 levels deep, and nobody understands half of that. `all` is not needed in a mapping, where "
        "all tests hold anyway, and `any` of one field is a list.",
        before="rules:\n  - rule: deep\n    points: 60\n    limit: {times: 1, per: day}\n    when: "
        + "{any: [" * 16
        + "{type: a.b}"
        + "]}" * 16
        + "\n",
        after="rules:\n  - {rule: flat, when: {type: [a.b, a.c]}, points: 60, limit: {times: 1, per: day}}\n",
    ),
    "model.not_yaml": Explanation(
        "The file is no YAML: a colon, a bracket or a quote is missing, or a line begins in the wrong column. The finding "
        "names the line in which it went wrong; what comes after it is not judged yet.",
        before="rules:\n  - rule: demo\n    when: {type: demo.requested}\n    points 60\n",
        after="rules:\n  - rule: demo\n    when: {type: demo.requested}\n    points: 60\n",
    ),
    "model.anchor": Explanation(
        "Anchors (&) and aliases (*) make a part of a file mean what stands elsewhere, and a small file can unfold into a "
        "huge one. Write the value where it counts. A text that begins with one of these characters needs quotes.",
        before="rules:\n  - {rule: a, when: {type: a.b}, points: 60, decay: &slow {half_life: 60d}}\n"
        "  - {rule: c, when: {type: c.d}, points: 60, decay: *slow}\n",
        after="groups: {engagement: {decay: {half_life: 60d}}}\n"
        "rules:\n  - {rule: a, when: {type: a.b}, points: 60}\n  - {rule: c, when: {type: c.d}, points: 60}\n",
    ),
    "model.tag": Explanation(
        "Tags (!) ask the reader of a file to make something of a value, up to running code; none are read. Directives (%) "
        "are none of our business either. A text that begins with ! needs quotes.",
        before="rules:\n  - {rule: a, when: {type: a.b}, points: !!int 60}\n",
        after="rules:\n  - {rule: a, when: {type: a.b}, points: 60}\n",
    ),
    "model.duplicate_key": Explanation(
        "One key stands twice in one mapping. Most readers keep the last and say nothing; here it is an error, because one "
        "of the two was meant to count. A new item of a list begins with a dash.",
        before="rules:\n  - {rule: a, when: {type: a.b}, points: 60, points: 80}\n",
        after="rules:\n  - {rule: a, when: {type: a.b}, points: 80}\n",
    ),
    "model.lookalike": Explanation(
        "Two names look alike and are not the same: by a letter of another alphabet (a Cyrillic a), by wide letters, or by "
        "capitals alone. What is given to one is then missed in the other. Type the name anew.",
        before="groups: {fit: {cap: 70}, Fit: {cap: 20}}\n",
        after="groups: {fit: {cap: 70}, habits: {cap: 20}}\n",
    ),
}
"""By code, in the order of the list of codes."""
