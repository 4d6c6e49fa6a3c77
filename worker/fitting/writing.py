"""
A scorecard as an ordinary model file, with the evidence for each rule as comments.

What comes from events (types, property names and values) is text of strangers: it is written in double quotes with everything escaped
that could end a line or the quotes, in comments too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.contracts.instants import format_duration
from worker.fitting.scorecard import DOUBLING
from worker.scoring.file.lookalikes import skeleton, strange_letter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.fitting.features import Condition, Feature
    from worker.fitting.scorecard import Line, Scorecard
    from worker.fitting.timelines import Scalar

_LONGEST_NAME = 100  # a rule's name may have 128 characters; some are left for the number that makes it unique
_IDLE = 4  # times the time to answer in: long enough to have no part in what was judged
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "nan", "inf", ".nan", ".inf"})


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the rules."""

    name: str
    notes: Sequence[str]  # lines of the comment on top; may hold anything
    threshold: int
    within_ms: int  # time to answer in


def write_model(scorecard: Scorecard, heading: Heading) -> str:
    """Return the text of a model file: rules by falling weight, ready at the threshold, cooled when the odds have halved."""
    at = heading.threshold
    floor = min(scorecard.lowest, 0, at - 2 * DOUBLING)
    lines = [
        *(f"# {_comment(note)}".rstrip() for note in heading.notes),
        "",
        f"model: {heading.name}",
        "version: 1",
        "",
        "# Deep enough for all that speaks against a contact at once: cut off at 0, bad leads would look alike.",
        f"score: {{floor: {floor}, precision: 0}}",
        "",
        "rules:",
    ]
    names: set[str] = set()
    ordered = sorted(scorecard.lines, key=lambda line: -abs(line.points) * line.feature.most)
    for line in ordered:
        lines += _rule(line, names)
    lines += [
        f"# hot is ready; from warm on, half the odds of it ({DOUBLING} points less)",
        f"tiers: {{cold: {floor}, warm: {at - DOUBLING}, hot: {at}}}",
        "",
        "qualify:",
        f"  when: {{score: {{at_least: {at}}}}}",
        f"  rearm: {{score: {{less_than: {at - DOUBLING}}}}}",
        "",
        *_idleness(scorecard, heading.within_ms),
        "# Not from history: who was sent back has to earn a call anew, who was won is nobody's lead any more.",
        "feedback:",
        "  sales.rejected: {reset: [engagement], latch: open}",
        "  sales.recycled: {reset: [engagement], latch: open}",
        "  sales.won: {latch: closed}",
    ]
    return "\n".join(lines) + "\n"


def _idleness(scorecard: Scorecard, within_ms: int) -> list[str]:
    """Return what makes points end in a model in which none fade."""
    if any(line.feature.form == "recent" for line in scorecard.lines):
        return []
    return [
        "# Not from history: no points fade, so that they have to end some time; this long after the last sign of life.",
        "inactivity:",
        f"  - {{after: {_duration(_IDLE * within_ms)}, reset: [engagement]}}",
        "",
    ]


def describe(feature: Feature) -> str:
    """Return a feature in words, on one line, as its rule is called."""
    condition = feature.condition
    if condition.type is None:
        return _printable(f"{condition.path} {_test_in_words(condition)}")
    words = condition.type if not condition.path else f"{condition.type}: {condition.path} {_test_in_words(condition)}"
    endings = {
        "count": f", each up to {feature.most}",
        "recent": f", lately ({_duration(feature.half_life_ms)})",
    }
    return _printable(words + endings.get(feature.form, ""))


def quoted(value: Scalar) -> str:
    r"""
    Return *value* as a YAML scalar that reads back as itself, whatever is in it.

    >>> print(quoted('a "b": c'), quoted("on"), quoted("offer.sent"), quoted(10000.0), quoted(True))
    "a \"b\": c" "on" offer.sent 10000 true
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        whole = int(value)
        return str(whole) if whole == value else repr(value)
    is_word = value[:1].isalpha() and set(value) <= _PLAIN and value.casefold() not in _WORDS
    return value if is_word else '"' + "".join(map(_escaped, value)) + '"'


def _rule(line: Line, names: set[str]) -> list[str]:
    feature = line.feature
    lines = [f"  # {_comment(text)}" for text in _evidence(line)]
    lines += [
        f"  - rule: {quoted(_name(feature, names))}",
        f"    when: {{{_when(feature.condition)}}}",
        f"    points: {line.points}",
    ]
    if feature.form == "once":
        lines.append("    once_per: contact")
    elif feature.form in ("count", "recent"):
        if feature.form == "recent":
            lines.append(f"    decay: {{half_life: {_duration(feature.half_life_ms)}}}")
        lines.append(f"    cap: {abs(line.points) * feature.most}")
    return [*lines, ""]


def _when(condition: Condition) -> str:
    tests = [] if condition.type is None else [f"type: {quoted(condition.type)}"]
    if condition.path:
        root = "attributes" if condition.type is None else "properties"
        value = f"{{at_least: {quoted(condition.at_least)}}}" if condition.at_least is not None else _equals(condition)
        tests.append(f"{quoted(f'{root}.{condition.path}')}: {value}")
    return ", ".join(tests)


def _equals(condition: Condition) -> str:
    return quoted("" if condition.equals is None else condition.equals)


def _evidence(line: Line) -> list[str]:
    seen = line.evidence
    texts = [f"{seen.contacts:,} contacts, {seen.having:,} looks: {seen.share_having:.1%} won"]
    if seen.lacking:
        texts[0] += f"; without it {seen.share_lacking:.1%} of {seen.lacking:,}; lift {seen.lift:.2f}"
    texts[0] += f"; coefficient {line.coefficient:+.3f}"
    if seen.lacking and (line.points > 0) != (seen.share_having > seen.share_lacking):
        texts.append("its points go against its own lift: they correct what other rules say of the same contacts")
    if line.same_as:
        texts.append("history can't tell it from " + ", ".join(quoted(describe(other)) for other in line.same_as))
    return texts


def _test_in_words(condition: Condition) -> str:
    return f"at least {condition.at_least:,g}" if condition.at_least is not None else f"= {condition.equals}"


def _name(feature: Feature, names: set[str]) -> str:
    """Return a name for the rule that looks like no other one."""
    wanted = describe(feature)[:_LONGEST_NAME].strip() or "rule"
    if strange_letter(wanted) is not None:  # such a name is refused, as it may be meant to deceive
        wanted = "".join(one if one.isascii() else "?" for one in wanted)
    name, number = wanted, 2
    while skeleton(name) in names:
        name, number = f"{wanted} ({number})", number + 1
    names.add(skeleton(name))
    return name


def _printable(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _comment(text: str) -> str:
    """Return *text* on one line: a line break in it would make the rest of it part of the model."""
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(one: str) -> str:
    if one in _ESCAPES:
        return _ESCAPES[one]
    if one.isprintable() and (one.isascii() or one.isalnum()):
        return one
    code = ord(one)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _duration(ms: int) -> str:
    return format_duration(ms)
