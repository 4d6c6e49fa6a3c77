"""An explanation as plain lines that a sales person can add up, and what comes next in sentences; no colours, no widths."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any

from worker.contracts.instants import format_instant
from worker.scoring.reading import shown, tier_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.scoring.explain import Explanation, Line
    from worker.scoring.model import Model
    from worker.scoring.next_steps import Outlook

_NOISE = 1e-9
_GAINS = 5


def number(value: float) -> str:
    """
    Return *value* for reading: three decimals at most, no zeros behind.

    >>> number(77.5), number(-20.0), number(1 / 3), number(-0.0001)
    ('77.5', '-20', '0.333', '0')
    """
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def signed(value: float) -> str:
    """Return *value* with its sign."""
    return f"+{number(value)}" if value > 0 else number(value)


def when(at_ms: int | None) -> str:
    """Return an instant for reading: to the minute where it is one, in UTC; empty for None."""
    if at_ms is None:
        return ""
    text = format_instant(at_ms)
    day, clock = text[:10], text[11:-1]
    return f"{day} {clock.removesuffix('.000').removesuffix(':00')}"


def apportioned(values: Sequence[float], total: int, unit: float) -> list[int]:
    """
    Return each of *values* in whole multiples of *unit*, rounded so that they add up to *total* of them.

    >>> apportioned([33.333, 33.333, 33.334], 100, 1.0)
    [33, 33, 34]
    """
    exact = [value / unit for value in values]
    whole = [floor(one + _NOISE) for one in exact]
    rest = total - sum(whole)
    order = sorted(range(len(values)), key=lambda place: whole[place] - exact[place], reverse=rest < 0)
    for place in (order * (abs(rest) // max(1, len(order)) + 1))[: abs(rest)]:
        whole[place] += 1 if rest > 0 else -1
    return whole


def printable(text: str) -> str:
    """Return *text* with nothing in it that moves a cursor or changes a colour: ids and types come from strangers."""
    return "".join(char if char.isprintable() else "?" for char in text)


def explanation_lines(model: Model, explanation: Explanation) -> list[str]:
    """Return *explanation* as a table of text; what stands in its first column of numbers adds up, group by group, to the score."""
    decimals = max(2, model.precision)
    unit = 10.0**-decimals
    total = floor(explanation.reading.score / unit + _NOISE)
    parts = [group.value for group in explanation.groups] + [line.points for line in explanation.clamps]
    counted = apportioned(parts, total, unit)
    rows: list[tuple[str, ...]] = [("", "now", "given", "times", "last (UTC)", "")]
    for group, value in zip(explanation.groups, counted, strict=False):
        points = apportioned([line.points for line in group.lines], value, unit)
        ranked = sorted(
            zip(group.lines, points, strict=True), key=lambda pair: (pair[0].is_clamp, -abs(pair[0].points))
        )
        for line, units in ranked:
            rows.append(_row(line, units * unit, decimals))
            rows += [_part_row(part) for part in line.parts]
        rows.append((f"= {group.name}", f"{value * unit:.{decimals}f}", "", "", "", ""))
    for line, units in zip(explanation.clamps, counted[len(explanation.groups) :], strict=True):
        rows.append(_row(line, units * unit, decimals))
    rows.append(("= score", f"{total * unit:.{decimals}f}", "", "", "", _shown_as(model, explanation)))
    return _aligned(rows)


def _shown_as(model: Model, explanation: Explanation) -> str:
    tier = tier_name(model, explanation.reading.tier)
    text = f"shown as {number(shown(model, explanation.reading.score))}"
    return text if tier is None else f"{text}, {tier}"


def _row(line: Line, points: float, decimals: int) -> tuple[str, ...]:
    given = "" if line.awarded is None or line.kind == "fit" else number(line.awarded)
    times = str(line.awards) if line.kind in ("rule", "pool") else ""
    return (f"  {line.name}", f"{points:.{decimals}f}", given, times, when(line.last_ms), became(line))


def _part_row(part: Any) -> tuple[str, ...]:  # noqa: ANN401 - a Contribution
    return (f"    of this {part.rule}", "", number(part.awarded), str(part.awards), when(part.last_ms), "")


def became(line: Line) -> str:
    """Return in words what became of the points of *line* that no longer count, or until when they do."""
    drained = "drained" if line.kind == "pool" else "faded"
    sign = -1 if (line.awarded or 0.0) < 0 else 1  # of penalties, too, one says that some have faded
    amounts = (
        (line.faded, drained),
        (line.taken, "taken by idleness" if line.taken * sign > 0 else "added by idleness"),
        (line.faded_or_taken, f"{drained} or taken by idleness"),
        (line.capped, "beyond the rule's cap"),
    )
    parts = [f"{number(abs(points))} {word}" for points, word in amounts if number(points) != "0"]
    if line.expires_ms is not None:
        parts.append(f"until {when(line.expires_ms)}")
    if line.kind == "fit":
        parts.append("holds now")
    return ", ".join(parts)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for name, now, given, times, last, note in rows:
        columns = (
            name.ljust(widths[0]),
            now.rjust(widths[1]),
            given.rjust(widths[2]),
            times.rjust(widths[3]),
            last.ljust(widths[4]),
            note,
        )
        lines.append("  ".join(columns).rstrip())
    return lines


def outlook_lines(outlook: Outlook, *, is_ready: bool) -> list[str]:
    """Return *outlook* as sentences."""
    lines = []
    if is_ready:
        if outlook.cools_ms is None:
            lines.append("If nothing happens it stays ready.")
        else:
            lines.append(f"If nothing happens it cools at {format_instant(outlook.cools_ms)}.")
    if outlook.missing:
        lines.append(f"held: needs {', '.join(outlook.missing)}; the event that brings it makes it ready.")
    if outlook.blocked is not None:
        lines.append(outlook.blocked)
    if not is_ready and not outlook.missing:
        lines += _gain_lines(outlook)
    return lines


def _gain_lines(outlook: Outlook) -> list[str]:
    ready = [gain for gain in outlook.gains if gain.makes_ready]
    if ready:
        word = "This would" if len(ready) == 1 else "Any one of these would"
        lines = [f"{word} make it ready now:"]
    elif not outlook.gains:
        return ["No single event would raise its score now."]
    else:
        lines = ["No single event would make it ready now. The largest gains:"]
    chosen = (ready or list(outlook.gains))[:_GAINS]
    width = max(len(gain.rule) for gain in chosen)
    return lines + [f"  {gain.rule.ljust(width)}  {signed(gain.points)}, to {number(gain.score)}" for gain in chosen]


def transition_words(told: dict[str, Any]) -> str:
    """Return a transition on one line."""
    parts = [told["kind"], f"sequence {told['sequence']}", f"at {told['at']}", f"cause {told['cause']}"]
    if "score" in told:
        parts.append(f"score {number(told['score'])}")
    if "tier" in told:
        parts.append(f"tier {told['tier']}")
    return ", ".join(parts)
