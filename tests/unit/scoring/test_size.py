"""A value beyond what the changelog takes would stop a partition: the bound must hold, and refuse before anything runs."""

from __future__ import annotations

import orjson

from worker.pipeline import Partition, PipelineOptions, Topics
from worker.replay import Line
from worker.scoring.lint import lint_model
from worker.scoring.model_file import load_model, parse_model
from worker.scoring.size import MAX_VALUE_BYTES, worst_case_bytes

BUSY = """
model: busy
version: 1
rules:
  - {rule: once, when: {type: a}, points: 1, once_per: properties.k}
  - {rule: often, when: {type: a}, points: 1, limit: {times: 1000, within: 30d}, decay: {half_life: 30d}}
  - {rule: bad, when: {type: b}, points: -1}
tiers: {cold: 0, hot: 50}
qualify: {when: {score: {at_least: 20}}}
"""


def test_no_contact_outgrows_the_bound_when_it_does_everything_at_once() -> None:
    """512 events in the window, 200 keys, 1,000 instants, long ids: the value stays within what the model was allowed."""
    model = parse_model(BUSY)
    topics = Topics("in", "told", "", "dlq")
    options = PipelineOptions(time="stream", clamp=False)
    partition = Partition(topics=topics, partition=0, partitions=1, models=[model], options=options, row=None)
    lines = [
        Line(
            n,
            orjson.dumps(
                {
                    "id": f"{n:0128}",
                    "contact_id": "c",
                    "type": "b" if n % 7 == 0 else "a",
                    "occurred_at": 1_700_000_000_000 + n * 997,
                    "properties": {"k": n},
                }
            ),
        )
        for n in range(3_000)
    ]
    partition.fold(lines, lambda keys: [None] * len(keys))
    closed = partition.drain()
    assert closed is not None
    assert 60_000 < len(closed.puts[b"c"]) <= worst_case_bytes(model)


def test_shipped_model_stays_far_below_the_hard_limit() -> None:
    assert worst_case_bytes(load_model("simple-100")) < MAX_VALUE_BYTES / 2


def test_model_is_refused_when_one_contact_could_outgrow_the_hard_limit() -> None:
    rules = "".join(
        f"  - {{rule: r{n}, when: {{type: t{n}}}, points: 1, limit: {{times: 1000, within: 30d}}}}\n" for n in range(80)
    )
    findings = lint_model(f"model: huge\nversion: 1\nrules:\n{rules}", "huge.yaml")
    assert [finding.code for finding in findings] == ["model.state_too_large"]
    assert "524,288" in findings[0].problem
