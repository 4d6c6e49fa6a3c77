"""What scoring costs without a broker, part by part, beside a loop that only decodes JSON."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from statistics import median

import orjson
import pytest

from tests.support.bench_calibration import calibrate
from tests.support.bench_core import CoreRecord, Drained, drain_core, is_row_of_partition, measure_parts, records_of
from tests.support.bench_events import event_stream
from tests.support.bench_process import machine
from worker.memory import calm_garbage_collector
from worker.pipeline import CacheBudget
from worker.scoring.model import Model
from worker.scoring.model_file import load_model

EVENTS = 100_000
MOST_CALIBRATIONS = 80.0
"""At least twice what an event cost when this was written, in decodes of one event: a guard against doubling, not a goal."""


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("simple-100")


@pytest.fixture(scope="module")
def records() -> list[CoreRecord]:
    return list(records_of(list(event_stream(EVENTS))))


@pytest.fixture
def _memory_as_in_a_worker() -> Iterator[None]:
    threshold = gc.get_threshold()
    calm_garbage_collector()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("_memory_as_in_a_worker")
def test_larger_rounds_tell_the_same_for_fewer_rows_at_a_bounded_cost(model: Model, records: list[CoreRecord]) -> None:
    """If this fails, an event became much dearer, or a busy contact is written more than once a round."""
    values = [record.value for record in records[:20_000]]
    before = calibrate(values)
    runs = {events: drain_core(model, records, round_events=events) for events in (2_000, 20_000)}
    cold = drain_core(model, records, round_events=2_000, budget=CacheBudget(0))
    parts = measure_parts(model, records, runs[20_000].store)
    calibration = (before + calibrate(values)) / 2
    print(f"\n{machine()}\n{EVENTS} events, decoding one with orjson: {calibration:.2f} us")
    for name, run in [
        *((f"rounds of {events}", run) for events, run in runs.items()),
        ("the same, nothing cached (2000)", cold),
    ]:
        _print_run(name, run, calibration)
    rest = runs[20_000].fold_us - parts.decode - parts.match - parts.fold
    shares = {
        "decode": parts.decode,
        "match": parts.match,
        "fold": parts.fold,
        "evaluate and rest": rest,
        "close": runs[20_000].close_us,
    }
    print("by part, rounds of 20000: " + ", ".join(f"{name} {us:.1f} us" for name, us in shares.items()))
    print(f"a stored value: encode {parts.encode_value:.1f} us, decode {parts.decode_value:.1f} us")
    sizes = sorted(len(value) for key, value in runs[20_000].store.values.items() if not is_row_of_partition(key))
    print(f"stored values: median {median(sizes):.0f} B, 99 % {sizes[len(sizes) * 99 // 100]} B, largest {sizes[-1]} B")
    line = {name: round(us, 3) for name, us in shares.items()} | {
        "encode_value": round(parts.encode_value, 3),
        "decode_value": round(parts.decode_value, 3),
        "calibration": round(calibration, 3),
        "us_rounds_2000": round(runs[2_000].us, 3),
        "us_rounds_20000": round(runs[20_000].us, 3),
    }
    print(orjson.dumps(line).decode())
    assert runs[2_000].transitions == runs[20_000].transitions == cold.transitions
    assert runs[20_000].rows < runs[2_000].rows
    assert runs[20_000].us / calibration < MOST_CALIBRATIONS


def _print_run(name: str, run: Drained, calibration: float) -> None:
    print(
        f"{name:32} {run.us:6.1f} us/event ({run.us / calibration:5.1f} calibrations): fold {run.fold_us:.1f}, close {run.close_us:.1f}; "
        f"{run.rows} rows, {run.changelog_bytes / 1e6:.1f} MB"
    )
