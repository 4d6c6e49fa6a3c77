"""Why a model that loads will hardly do what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file.explanations.explanation import Explanation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.scoring.file.findings import FindingCode

_DEMO = "rules:\n  - {rule: demo, when: {type: demo.requested}, points: 100, decay: {half_life: 60d}}\n"

WARNINGS: Mapping[FindingCode, Explanation] = {
    "model.contradiction": Explanation(
        "The tests of one field exclude each other: a value cannot be two things at once, lie above one number and below "
        "a smaller one, or be missing and begin with something. The rule never fires, or that part of it never counts.",
        before="rules:\n  - {rule: mid, when: {type: quote.requested, properties.seats: {at_least: 50, at_most: 20}}, points: 60}\n",
        after="rules:\n  - {rule: mid, when: {type: quote.requested, properties.seats: {at_least: 20, at_most: 50}}, points: 60}\n",
    ),
    "model.out_of_reach": Explanation(
        "The rules, their caps and those of their groups never bring a score there, so sales is never told, or the tier "
        "stays empty. Points given by hand may still do it; if that is the plan, the warning can stay.",
        before="groups: {engagement: {cap: 80}}\n" + _DEMO + "qualify: {when: {score: {at_least: 100}}}\n",
        after="groups: {engagement: {cap: 150}}\n" + _DEMO + "qualify: {when: {score: {at_least: 100}}}\n",
    ),
    "model.duplicate_rule": Explanation(
        "Two rules have the same condition and count in the same way, so each event gives points twice. That is rarely "
        "meant; where it is, one rule with the sum says so.",
        before="rules:\n  - {rule: demo, when: {type: demo.requested}, points: 60}\n"
        "  - {rule: demo again, when: {type: demo.requested}, points: 40}\n",
        after="rules:\n  - {rule: demo, when: {type: demo.requested}, points: 100}\n",
    ),
    "model.points_above_cap": Explanation(
        "One award alone goes beyond a cap (or below a floor) of its rule, its group or the score, so the points as "
        "written can never count whole. Readers of the model, and reasons, would show a number that is not true.",
        before="rules:\n  - {rule: demo, when: {type: demo.requested}, points: 100, cap: 40}\n",
        after="rules:\n  - {rule: demo, when: {type: demo.requested}, points: 40, cap: 40}\n",
    ),
    "model.machine_prone": Explanation(
        "Mail programs, link scanners and crawlers open mails and pages that no human has seen. Without `once_per`, "
        "`limit`, `cap` or decay such a rule makes leads ready whom nobody has reached.",
        before="rules:\n  - {rule: email opened, when: {type: email.opened}, points: 1}\n",
        after="rules:\n  - {rule: email opened, when: {type: email.opened}, points: 1, once_per: properties.message_id}\n",
    ),
    "model.rearm_above_threshold": Explanation(
        "`rearm` says when a ready lead has cooled enough to be told anew. If its bound is not below the threshold, a lead "
        "that moves around the threshold is told again and again. Twenty points of distance are a good start.",
        before=_DEMO + "qualify: {when: {score: {at_least: 100}}, rearm: {score: {less_than: 120}}}\n",
        after=_DEMO + "qualify: {when: {score: {at_least: 100}}, rearm: {score: {less_than: 80}}}\n",
    ),
    "model.rearm_never_holds": Explanation(
        "No score of this model meets `rearm`, often because a floor lies above it: a lead that was ready once stays ready "
        "for good, and is never told again.",
        before=_DEMO + "qualify: {when: {score: {at_least: 100}}, rearm: {score: {less_than: 0}}}\n",
        after=_DEMO + "qualify: {when: {score: {at_least: 100}}, rearm: {score: {less_than: 80}}}\n",
    ),
    "model.rearm_always_holds": Explanation(
        "Every score of this model meets `rearm`, so that it says nothing: a lead cools as soon as `when` fails.",
        before=_DEMO + "qualify: {when: {score: {at_least: 100}}, rearm: {score: {at_least: 0}}}\n",
        after=_DEMO + "qualify: {when: {score: {at_least: 100}}, rearm: {score: {less_than: 80}}}\n",
    ),
    "model.never_fades": Explanation(
        "Nothing in this model ever goes: no rule fades and idleness costs nothing. Contacts collect points for years, and "
        "whoever clicks often enough is ready one day, long after the interest has gone.",
        before="rules:\n  - {rule: demo, when: {type: demo.requested}, points: 100}\n"
        "qualify: {when: {score: {at_least: 100}}}\n",
        after=_DEMO + "qualify: {when: {score: {at_least: 100}}}\n",
    ),
    "model.no_effect": Explanation(
        "A rule without points gives nothing that could fade, be bounded or belong to a group. Either points are missing, "
        "or the key is left over.",
        before="rules:\n  - {rule: unsubscribed, when: {type: email.unsubscribed}, reset: [engagement], decay: {half_life: 9d}}\n",
        after="rules:\n  - {rule: unsubscribed, when: {type: email.unsubscribed}, reset: [engagement]}\n",
    ),
    "model.mixed_scripts": Explanation(
        "A text that is compared with has letters of two alphabets in one word. It looks right and never matches. Type it "
        "anew, unless your events really say so.",
        before="rules:\n  - {rule: demo, when: {type: d\u0435mo.requested}, points: 60}\n",
        after="rules:\n  - {rule: demo, when: {type: demo.requested}, points: 60}\n",
    ),
}
"""By code, in the order of the list of codes."""
