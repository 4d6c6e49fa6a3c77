"""What is said of the lines of a history that hold no event."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from worker.reports.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from worker.replay import Refused


def refusal_lines(refused: Sequence[Refused]) -> Iterator[str]:
    """Yield for each code how many lines it refused, and where the first of them is."""
    for code, n in sorted(Counter(one.code for one in refused).items()):
        first = next(one for one in refused if one.code == code)
        where = f" of {first.source}" if first.source else ""
        place = "at offset" if first.source.endswith("]") else "in line"
        verb = "holds" if n == 1 else "hold"
        yield f"{counted(n, 'line')} {verb} no event: {code}, first {place} {first.line}{where}"
