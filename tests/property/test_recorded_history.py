"""The first 20,000 events of a recorded history of loan applications, read by the worker and by the second reading."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.engine import engine_replay
from tests.support.naive import naive_replay
from tests.support.recorded import LOANS, recorded_lines

Json = dict[str, Any]
EVENTS = 20_000


def recorded_events() -> list[Json]:
    """Return the events in file order; skips, saying so, when the recording is not there."""
    return [json.loads(line) for line in recorded_lines(EVENTS)]


@pytest.mark.timeout(600)
def test_a_recorded_history_reads_the_same_twice() -> None:
    """If this fails, real customers are scored by rules that nobody wrote down."""
    events = recorded_events()
    text = LOANS.read_text("utf-8")
    engine, naive = engine_replay(text, events), naive_replay(YAML(typ="safe", pure=True).load(text), events)
    assert len(naive.transitions) > 100
    assert engine.transitions == naive.transitions
    assert [repr(row) for row in engine.rows] == [repr(row) for row in naive.rows]
