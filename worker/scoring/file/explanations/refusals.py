"""Why a file that is YAML is refused as a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file.explanations.explanation import Explanation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.scoring.file.findings import FindingCode


def _rule(parts: str) -> str:
    return f"rules:\n  - {{rule: demo, {parts}}}\n"


REFUSALS: Mapping[FindingCode, Explanation] = {
    "model.wrong_type": Explanation(
        "A text stands where a number is wanted, a list where a mapping is, and so on. Numbers have no quotes. Text that "
        "looks like something else (yes is text, true is not; 5 is a number) has them.",
        before=_rule('when: {type: demo.requested}, points: "60"'),
        after=_rule("when: {type: demo.requested}, points: 60"),
    ),
    "model.unknown_key": Explanation(
        "There is no such key here. Every key is known, so that a slip of the pen is an error and not a rule that never "
        "fires. The finding names the nearest key that exists.",
        before=_rule("when: {type: demo.requested}, pionts: 60"),
        after=_rule("when: {type: demo.requested}, points: 60"),
    ),
    "model.missing_key": Explanation(
        "Something has to be there that is not: a rule needs a name, a condition and points (or `reset`), a form of decay "
        "its parts.",
        before=_rule("when: {type: demo.requested}"),
        after=_rule("when: {type: demo.requested}, points: 60"),
    ),
    "model.bad_value": Explanation(
        "The value is of the right kind, and out of range or not written as it must be. Durations are a whole number and "
        "one unit: 45s, 30m, 12h, 14d, 2w. Points have at most 3 decimals.",
        before=_rule("when: {type: demo.requested}, points: 60, decay: {half_life: 30 days}"),
        after=_rule("when: {type: demo.requested}, points: 60, decay: {half_life: 30d}"),
    ),
    "model.unknown_name": Explanation(
        "A rule, group or tier is named that the file does not define. `engagement` is the one group that is always there.",
        before="groups: {fit: {cap: 70}}\n" + _rule("when: {type: demo.requested}, points: 60, group: fitt"),
        after="groups: {fit: {cap: 70}}\n" + _rule("when: {type: demo.requested}, points: 60, group: fit"),
    ),
    "model.unknown_field": Explanation(
        "A condition of a rule reads `type`, `source`, `properties.<name>` of the event and `attributes.<name>` of the "
        "contact. Conditions of `qualify` read `score`, `groups.<name>`, `tier`, `attributes.<name>` and `seen`.",
        before=_rule("when: {type: page.viewed, path: /pricing}, points: 60, limit: {times: 1, per: day}"),
        after=_rule("when: {type: page.viewed, properties.path: /pricing}, points: 60, limit: {times: 1, per: day}"),
    ),
    "model.unknown_operator": Explanation(
        "A test is a value (equal), a list (one of), or operators from a fixed list; some apply to numbers only, some to "
        "text only. There are no regular expressions: `like` knows * and ?.",
        before=_rule("when: {type: quote.requested, properties.seats: {gte: 50}}, points: 60"),
        after=_rule("when: {type: quote.requested, properties.seats: {at_least: 50}}, points: 60"),
    ),
    "model.duplicate_name": Explanation(
        "Two rules have one name, or a list names something twice. Reports and reasons show rules by name, so each needs "
        "its own.",
        before="rules:\n  - {rule: demo, when: {type: demo.requested}, points: 60}\n"
        "  - {rule: demo, when: {type: demo.attended}, points: 80}\n",
        after="rules:\n  - {rule: demo requested, when: {type: demo.requested}, points: 60}\n"
        "  - {rule: demo attended, when: {type: demo.attended}, points: 80}\n",
    ),
    "model.unreachable_tier": Explanation(
        "No score is ever in this tier: tiers are listed from the lowest up, each begins above the one before, and within "
        "the floor and cap of the score.",
        before="tiers: {cold: 0, hot: 50, warm: 25}\n",
        after="tiers: {cold: 0, warm: 25, hot: 50}\n",
    ),
    "model.never_holds": Explanation(
        "No event, or no score within floors and caps, can meet the condition: the rule would never fire, or sales would "
        "never be told.",
        before="score: {cap: 100}\nqualify: {when: {score: {at_least: 150}}}\n",
        after="score: {cap: 100}\nqualify: {when: {score: {at_least: 60}}}\n",
    ),
    "model.empty_condition": Explanation(
        "An empty condition would match everything, which is seldom meant and easily left over from editing.",
        before=_rule("when: {}, points: 60"),
        after=_rule("when: {type: demo.requested}, points: 60"),
    ),
    "model.conflict": Explanation(
        "Two things exclude each other: `within` and `per`, a floor above its cap, a fading rule in a group that drains, "
        "a limit on a rule that reads attributes only. Keep the one that was meant.",
        before=_rule("when: {type: demo.requested}, points: 60, limit: {times: 1, within: 7d, per: week}"),
        after=_rule("when: {type: demo.requested}, points: 60, limit: {times: 1, per: week}"),
    ),
    "model.too_many": Explanation(
        "Only so much is kept of a contact: 64 attributes, and of a condition that tests attributes beside the event 60 "
        "separate parts that look at the event. A list is one part, however long.",
        before="qualify:\n  when: {score: {at_least: 60}}\n  include:\n    - attributes.field_{n}\n",
        after="qualify:\n  when: {score: {at_least: 60}}\n  include: [attributes.email, attributes.company]\n",
        repeat=65,
    ),
    "model.state_too_large": Explanation(
        "A very busy contact could need more stored bytes than a stored value may have: each once-key and each award that "
        "a limit counts takes some. Lower `times`, or split the model.",
        before="rules:\n  - {rule: r{n}, when: {type: t{n}}, points: 60, limit: {times: 1000, within: 30d}}\n",
        after="rules:\n  - {rule: r{n}, when: {type: t{n}}, points: 60, limit: {times: 10, within: 30d}}\n",
        repeat=80,
    ),
}
"""By code, in the order of the list of codes."""
