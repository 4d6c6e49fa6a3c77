"""`leadscore lag`: how far the consumer group is behind, for people and for alerts; it needs no state and no worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.options import FINDINGS, Output, OutputOption
from worker.cli.pages import echo_json, page
from worker.cli.tables import Column, print_table

if TYPE_CHECKING:
    from worker.operations.group_lag import GroupLag, PartitionLag


def lag(
    max_records: Annotated[
        int | None, typer.Option(min=0, help="exit 1 when the partitions together are further behind than this")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(min=0, help="exit 1 when the oldest record that is not committed is older than this")
    ] = None,
    output: OutputOption = Output.text,
) -> None:
    """
    Show committed and end offset, lag and owner of each partition of the input topic, as the brokers tell them.

    Exits 0; 1 above --max-records or --max-seconds, or when records are lost or the topic was made anew; 69 when no broker answers.
    """
    import asyncio
    import os

    from worker.operations.group_lag import read_lag
    from worker.settings import load_settings

    found = asyncio.run(read_lag(load_settings(os.environ)))
    findings = [*found.problems, *_beyond(found, max_records, max_seconds)]
    if output is Output.json:
        echo_json(lag_document(found) | {"findings": findings})
    else:
        print_lag(found)
    for line in findings:
        typer.echo(line, err=True)
    raise typer.Exit(FINDINGS if findings else 0)


def _beyond(found: GroupLag, max_records: int | None, max_seconds: float | None) -> list[str]:
    findings = []
    if max_records is not None and found.records > max_records:
        findings.append(f"lag is {found.records:,} records, allowed are {max_records:,}")
    if max_seconds is not None and found.seconds > max_seconds:
        findings.append(f"lag is {found.seconds:,.1f} s, allowed are {max_seconds:,.1f} s")
    return findings


def lag_document(found: GroupLag) -> dict[str, Any]:
    """Return *found* for programs."""
    from worker.contracts.instants import format_instant

    return {
        "group": found.group,
        "state": found.state,
        "topic": found.topic,
        "at": format_instant(found.at_ms),
        "lag_records": found.records,
        "lag_seconds": round(found.seconds, 3),
        "partitions": [_partition_document(one, found.at_ms) for one in found.partitions],
    }


def _partition_document(one: PartitionLag, at_ms: int) -> dict[str, Any]:
    from worker.contracts.instants import format_instant

    return {
        "partition": one.partition,
        "committed_offset": one.committed,
        "log_start_offset": one.start,
        "last_stable_offset": one.stable,
        "end_offset": one.end,
        "lag_records": one.records,
        "lag_seconds": round(one.seconds(at_ms), 3),
        "first_uncommitted_at": None if one.waiting_ms is None else format_instant(one.waiting_ms),
        "owner": None if one.owner is None else one.owner._asdict(),
    }


def print_lag(found: GroupLag) -> None:
    """Print *found* as a table."""
    from worker.reports.amounts import counted

    console = page()
    console.print(f"group {found.group} ({found.state}) on {found.topic}")
    console.print(f"lag of {counted(found.records, 'record')}, {found.seconds:,.1f} s")
    columns = [
        Column(head, is_number=True) for head in ("partition", "committed", "stable", "end", "records", "seconds")
    ]
    columns += [Column("owner", least=12, yields=1), Column("host", least=9, yields=2, may_go=True)]
    rows = [
        (
            str(one.partition),
            "-" if one.committed is None else str(one.committed),
            str(one.stable),
            str(one.end),
            str(one.records),
            f"{one.seconds(found.at_ms):.1f}",
            "-" if one.owner is None else one.owner.member,
            "-" if one.owner is None else one.owner.host,
        )
        for one in found.partitions
    ]
    print_table(console, columns, rows)
