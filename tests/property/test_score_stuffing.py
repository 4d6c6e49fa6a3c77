"""Nobody gets more out of a rule with a bound than the bound, however many events they send, and in whichever order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from tests.support.small import (
    DAY,
    HOUR,
    START,
    SmallRecord,
    drained,
    event_value,
    nothing_stored,
    rule,
    small_model,
    small_partition,
)
from worker.pipeline import Output

CAP, ONCE, LIMITED = 30, 7, 5
MODEL = small_model(
    rule("click", 10, cap=CAP),
    rule("form", ONCE, once_per="contact"),
    rule("visit", LIMITED, limit={"times": 2, "within": "24h"}),
    qualify={"when": {"score": {"at_least": 1_000}}},
    lateness="1h",
)
MOST = CAP + ONCE


def looked_up(values: Mapping[bytes, bytes], keys: Sequence[bytes]) -> list[bytes | None]:
    return [values.get(key) for key in keys]


def best_score(outputs: list[Output]) -> float:
    rows = [json.loads(one.value) for one in outputs if one.topic == "scores" and one.value]
    return max((row["models"]["small"]["score"] for row in rows), default=0.0)


@given(
    st.lists(
        st.tuples(st.sampled_from(["click", "form", "visit"]), st.integers(0, 3 * DAY), st.integers(0, 40)),
        max_size=200,
    ),
    st.integers(1, 50),
)
def test_a_flood_is_worth_no_more_than_the_bounds_of_its_rules(storm: list[tuple[str, int, int]], a_round: int) -> None:
    """If this fails, a competitor's script, or one loyal bot, is the hottest lead of the week."""
    partition = small_partition(MODEL)
    values: dict[bytes, bytes] = {}
    outputs: list[Output] = []
    records = [
        SmallRecord(number, event_value(kind, START + at_ms, f"{kind}{again}{at_ms}"))
        for number, (kind, at_ms, again) in enumerate(storm)
    ]
    for start in range(0, len(records), a_round):
        partition.fold(records[start : start + a_round], partial(looked_up, values))
        closed = drained(partition)
        values |= closed.puts
        outputs += closed.outputs
    days = 3 * DAY // (24 * HOUR) + 1  # a rolling day, begun anew at most so often
    assert best_score(outputs) <= MOST + 2 * LIMITED * days


@given(st.integers(1, 2_000))
def test_a_machine_adds_nothing(clicks: int) -> None:
    partition = small_partition(MODEL)
    storm = [
        SmallRecord(number, event_value("click", START + number, f"{number}", machine=True)) for number in range(clicks)
    ]
    partition.fold(storm, nothing_stored)
    assert best_score(drained(partition).outputs) == 0
