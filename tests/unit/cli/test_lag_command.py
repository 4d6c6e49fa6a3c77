"""What `leadscore lag` makes of what the brokers say."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from worker.cli.main import app
from worker.operations import group_lag
from worker.operations.group_lag import GroupLag, Owner, PartitionLag
from worker.settings import Settings

NOW = 1_772_366_400_000
ENVIRON = {"LEADSCORE_BROKERS": "localhost:1", "COLUMNS": "200"}


def partition(
    committed: int | None = 10, start: int = 0, end: int = 10, waiting_ms: int | None = None, number: int = 0
) -> PartitionLag:
    return PartitionLag(number, committed, start, end, end, waiting_ms, Owner("desk-0-uuid", "10.0.0.7"))


@pytest.mark.parametrize(
    ("one", "records"),
    [
        (partition(), 0),
        (partition(committed=4), 6),
        (partition(committed=None), 10),
        (partition(committed=None, start=3), 7),
        (partition(committed=2, start=3), 7),
        (partition(committed=50), 0),
    ],
)
def test_records_are_counted_from_the_committed_offset_within_the_log(one: PartitionLag, records: int) -> None:
    assert one.records == records


def test_seconds_are_the_age_of_the_first_record_that_waits() -> None:
    assert partition().seconds(NOW) == 0
    assert partition(waiting_ms=NOW - 1_500).seconds(NOW) == 1.5
    assert partition(waiting_ms=NOW + 5_000).seconds(NOW) == 0  # a producer's clock is ahead


def said(monkeypatch: pytest.MonkeyPatch, partitions: list[PartitionLag], *options: str) -> tuple[int, str, str]:
    async def read_lag(settings: Settings) -> GroupLag:
        return GroupLag(settings.app_id, "Stable", settings.input_topic, NOW, partitions)

    monkeypatch.setattr(group_lag, "read_lag", read_lag)
    result = CliRunner().invoke(app, ["lag", *options], env=ENVIRON)
    return result.exit_code, result.stdout, result.stderr


BEHIND = [partition(committed=4, waiting_ms=NOW - 90_000), partition(committed=8, waiting_ms=NOW - 1_000, number=1)]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 0),
        (("--max-records", "8"), 0),
        (("--max-records", "7"), 1),
        (("--max-seconds", "90"), 0),
        (("--max-seconds", "89.9"), 1),
        (("--max-records", "7", "--max-seconds", "100"), 1),
        (("--max-records", "-1"), 2),
    ],
)
def test_thresholds_decide_the_exit_code(monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: int) -> None:
    """If this fails, nobody is called when the worker stands still, or everybody every night."""
    assert said(monkeypatch, BEHIND, *options)[0] == code


def test_table_names_owner_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = said(monkeypatch, BEHIND)
    assert code == 0
    assert "lag of 8 records, 90.0 s" in out
    assert "desk-0-uuid" in out
    assert "10.0.0.7" in out


def test_document_has_every_partition_and_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    _, out, _ = said(monkeypatch, [*BEHIND, partition(None, end=0, number=2)._replace(owner=None)], "--output", "json")
    document = json.loads(out)
    assert (document["group"], document["state"], document["lag_records"]) == ("lead-scoring", "Stable", 8)
    assert document["lag_seconds"] == 90.0
    assert document["partitions"][0] == {
        "partition": 0,
        "committed_offset": 4,
        "log_start_offset": 0,
        "last_stable_offset": 10,
        "end_offset": 10,
        "lag_records": 6,
        "lag_seconds": 90.0,
        "first_uncommitted_at": "2026-03-01T11:58:30.000Z",
        "owner": {"member": "desk-0-uuid", "host": "10.0.0.7"},
    }
    assert (document["partitions"][2]["committed_offset"], document["partitions"][2]["owner"]) == (None, None)


@pytest.mark.parametrize(
    ("one", "text"),
    [(partition(committed=2, start=3), "1 records were deleted"), (partition(committed=50), "made anew")],
)
def test_what_waiting_does_not_mend_is_a_finding(monkeypatch: pytest.MonkeyPatch, one: PartitionLag, text: str) -> None:
    code, _, err = said(monkeypatch, [one])
    assert code == 1
    assert text in err
