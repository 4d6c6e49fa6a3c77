"""Tables of what was measured: medians over the runs, ratios within each turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

Line = Mapping[str, Any]
_FLOOR = "floor"
_LONGEST = 300


def tables(lines: Sequence[Line]) -> str:
    """Return Markdown tables of drains by size, slopes, restores and latencies, and what was refused."""
    parts = [_where(lines)]
    good = [line for line in lines if "refused" not in line]
    parts += [_drains(_of(good, "drain")), _slopes(_of(good, "drain")), _restores(_of(good, "restore"))]
    parts += [_latencies(_of(good, "latency"))]
    parts += [f"REFUSED: {line['refused'][:_LONGEST]}" for line in lines if "refused" in line]
    return "\n\n".join(part for part in parts if part)


def _where(lines: Sequence[Line]) -> str:
    said = {f"{line['machine']}\n{line['command']}" for line in lines if "machine" in line}
    return "\n".join(sorted(said))


def _of(lines: Sequence[Line], kind: str) -> list[Line]:
    return [line for line in lines if line["kind"] == kind]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    all_rows = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in all_rows)


def _grouped(lines: Sequence[Line], key: Callable[[Line], Any]) -> dict[Any, list[Line]]:
    found: dict[Any, list[Line]] = {}
    for line in lines:
        found.setdefault(key(line), []).append(line)
    return found


def _middle(lines: Sequence[Line], name: str, form: str = ".1f") -> str:
    values = [line[name] for line in lines if line[name] is not None]
    return format(median(values), form) if values else "-"


def _range(lines: Sequence[Line], name: str) -> str:
    values = sorted(line[name] for line in lines)
    return f"{median(values):.1f} [{values[0]:.1f}-{values[-1]:.1f}]"


def by_floor(lines: Sequence[Line]) -> dict[tuple[str, int], float]:
    """Return the median over the turns of CPU an event by that of the floor, by contender and events."""
    floors = {(line["events"], line["pair"]): line["us"] for line in lines if line["contender"] == _FLOOR}
    ratios: dict[tuple[str, int], list[float]] = {}
    for line in lines:
        floor = floors.get((line["events"], line["pair"]))
        if floor:
            ratios.setdefault((line["contender"], line["events"]), []).append(line["us"] / floor)
    return {key: median(values) for key, values in ratios.items()}


def least_ratio(lines: Sequence[Line], name: str, other: str) -> float:
    """Return CPU us an event of contender *name* by that of *other*, the cheapest run of each: what disturbs, only adds."""
    least = {
        wanted: min(line["us"] for line in lines if line["contender"] == wanted and "us" in line)
        for wanted in (name, other)
    }
    return float(least[name] / least[other])


def _drains(lines: Sequence[Line]) -> str:
    head = (
        "contender",
        "events",
        "runs",
        "us/event [range]",
        "by floor",
        "events/s",
        "cores",
        "broker us",
        "RSS MiB",
        "log rows",
        "log MB",
        "foreign cores",
        "calibrator us",
    )
    ratios = by_floor(lines)
    rows = []
    for (what, name, events), runs in _grouped(
        lines, lambda line: (line["what"], line["contender"], line["events"])
    ).items():
        ratio = ratios.get((name, events))
        size = median(run["changelog_bytes"] for run in runs) / 1e6
        rows.append(
            (
                what,
                f"{events:,}",
                str(len(runs)),
                _range(runs, "us"),
                "" if ratio is None else f"{ratio:.2f}",
                _middle(runs, "rate", ",.0f"),
                _middle(runs, "cores", ".2f"),
                _middle(runs, "broker_us"),
                _middle(runs, "peak_rss_mib", ".0f"),
                _middle(runs, "changelog_rows", ",.0f"),
                f"{size:.0f}",
                _middle(runs, "foreign", ".2f"),
                _middle(runs, "calibration_us", ".2f"),
            )
        )
    return _table(head, rows)


def slopes(lines: Sequence[Line]) -> dict[str, list[tuple[float, float]]]:
    """Return, by contender, (CPU us, events/s) of the events between the least and the greatest size; one pair for each turn."""
    found: dict[str, list[tuple[float, float]]] = {}
    for (name, _), runs in _grouped(lines, lambda line: (line["contender"], line["pair"])).items():
        small, large = min(runs, key=_events), max(runs, key=_events)
        between = large["events"] - small["events"]
        if between:
            us = (large["us"] * large["events"] - small["us"] * small["events"]) / between
            seconds = large["events"] / large["rate"] - small["events"] / small["rate"]
            found.setdefault(name, []).append((us, between / seconds if seconds > 0 else float("inf")))
    return found


def _events(line: Line) -> int:
    return int(line["events"])


def _slopes(lines: Sequence[Line]) -> str:
    names = {line["contender"]: line["what"] for line in lines}
    rows = []
    for name, turns in slopes(lines).items():
        costs = sorted(us for us, _ in turns)
        rate = median(rate for _, rate in turns)
        rows.append(
            (names[name], str(len(turns)), f"{median(costs):.1f} [{costs[0]:.1f}-{costs[-1]:.1f}]", f"{rate:,.0f}")
        )
    return _table(("contender, by slope", "turns", "us/event [range]", "events/s"), rows)


def _restores(lines: Sequence[Line]) -> str:
    rows = [
        (
            what,
            _middle(runs, "rows", ",.0f"),
            _middle(runs, "restore_s", ".2f"),
            _middle(runs, "rows_s", ",.0f"),
            _middle(runs, "us_row"),
            _middle(runs, "peak_rss_mib", ".0f"),
        )
        for what, runs in _grouped(lines, lambda line: line["what"]).items()
    ]
    return _table(("contender, restore", "rows", "s", "rows/s", "us/row", "RSS MiB"), rows)


def _latencies(lines: Sequence[Line]) -> str:
    rows = [
        (
            what,
            _middle(runs, "samples", ".0f"),
            *(_middle(runs, f"{which}_ms", ".0f") for which in ("p50", "p90", "p99", "max")),
            _middle(runs, "cores", ".2f"),
            _middle(runs, "foreign", ".2f"),
        )
        for what, runs in _grouped(lines, lambda line: line["what"]).items()
    ]
    return _table(
        (
            "contender, latency at 1,000 events/s",
            "leads",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "max ms",
            "cores",
            "foreign cores",
        ),
        rows,
    )
