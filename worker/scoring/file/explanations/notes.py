"""What is worth a thought in a model, and may well be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file.explanations.explanation import Explanation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.scoring.file.findings import FindingCode

_DEMO = "rules:\n  - {rule: demo, when: {type: demo.requested}, points: 100, decay: {half_life: 60d}}\n"
_GAP = "qualify: {when: {score: {at_least: 100}}, rearm: {score: {less_than: 80}}}\n"

NOTES: Mapping[FindingCode, Explanation] = {
    "model.repeatable_view": Explanation(
        "Machines open mails and pages too. These points fade, so a burst of them does no lasting harm, but a link scanner "
        "can make a lead ready for a day.",
        before="rules:\n  - {rule: page, when: {type: page.viewed}, points: 5, decay: {half_life: 7d}}\n",
        after="rules:\n  - {rule: page, when: {type: page.viewed}, points: 5, decay: {half_life: 7d}, limit: {times: 1, per: day}}\n",
    ),
    "model.same_condition": Explanation(
        "Two rules have the same condition and count differently, say one for the first time and one for every time. Fine "
        "if that is meant: an event may then give points by both.",
        before="rules:\n  - {rule: first demo, when: {type: demo.requested}, points: 60, once_per: contact}\n"
        "  - {rule: demo, when: {type: demo.requested}, points: 20}\n",
        after="rules:\n  - {rule: demo, when: {type: demo.requested}, points: 60}\n",
    ),
    "model.no_qualify": Explanation(
        "Without `qualify` contacts are scored and sales is never told. That is a fine way to try a model; it is a pity "
        "when it was forgotten.",
        before=_DEMO,
        after=_DEMO + _GAP,
    ),
    "model.no_rearm": Explanation(
        "Without `rearm` a ready lead has cooled as soon as `when` fails. A lead that moves around the threshold is then "
        "told again and again; a distance of some points between the two prevents it.",
        before=_DEMO + "qualify: {when: {score: {at_least: 100}}}\n",
        after=_DEMO + _GAP,
    ),
    "model.no_negative_signals": Explanation(
        "No rule takes points away or resets. Unsubscribing, a dead address or a visit of the careers page speak against a "
        "lead, and sales notices when a model does not know.",
        before=_DEMO,
        after=_DEMO
        + "  - {rule: unsubscribed, when: {type: email.unsubscribed}, points: -50, decay: {half_life: 90d}}\n",
    ),
    "model.no_feedback": Explanation(
        "When sales sends a lead back, nothing follows: it keeps its score and stays ready, so it is not told anew either. "
        "Say what a rejected and a recycled lead begins with.",
        before=_DEMO + _GAP,
        after=_DEMO
        + _GAP
        + "feedback:\n  sales.rejected: {reset: [engagement], latch: open}\n  sales.recycled: {reset: [engagement], latch: open}\n",
    ),
    "model.time_zone_missing": Explanation(
        "A limit per day, week or month counts in the civil time of `time_zone`, which is UTC unless the file says "
        "otherwise. For people in Sydney a UTC day ends at ten in the morning.",
        before="rules:\n  - {rule: visit, when: {type: session.started}, points: 5, limit: {times: 1, per: day}}\n",
        after="time_zone: Europe/Berlin\n"
        "rules:\n  - {rule: visit, when: {type: session.started}, points: 5, limit: {times: 1, per: day}}\n",
    ),
    "model.empty_group": Explanation(
        "A group is described and no rule belongs to it. Points given by hand may; else a rule lost its `group`, or the "
        "group is left over.",
        before="groups: {fit: {cap: 70}}\n" + _DEMO,
        after="groups: {fit: {cap: 70}}\n"
        + _DEMO
        + "  - {rule: large, group: fit, when: {attributes.employees: {at_least: 50}}, points: 10}\n",
    ),
}
"""By code, in the order of the list of codes."""
