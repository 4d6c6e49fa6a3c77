"""A partition that stands still until an operator has decided: what stopped it, and what to do about it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, NamedTuple

from worker.logs import log_event

if TYPE_CHECKING:
    from worker.kafka.decompression import BatchTooLarge

_log = logging.getLogger(__name__)

Reason = Literal["dead_letters", "batch_size"]
"""A flood of bad records; a batch that unpacks to more than may be held in memory."""


class Stopped(NamedTuple):
    """Why nothing more is read of a partition; everything before *offset* was handled."""

    reason: Reason
    offset: int
    problem: str
    fix: str


def too_many_refused(partition: int, offset: int, limit: int) -> Stopped:
    """Return the stop of *partition* before *offset*, since more than *limit* of the last 1,000 records were refused."""
    return Stopped(
        "dead_letters",
        offset,
        f"more than {limit} of 1,000 records in a row were refused",
        "mend their producer and see `leadscore dlq list`; to go on with the records that follow, restart with a higher "
        f"LEADSCORE_DLQ_LIMIT (1000: no limit), or pass over them with `leadscore offsets skip {partition}:{offset} --through OFFSET`",
    )


def too_large_a_batch(batch: BatchTooLarge) -> Stopped:
    """Return the stop of a partition before *batch*."""
    return Stopped(
        "batch_size",
        batch.first,
        f"the batch at offsets {batch.first} to {batch.last} unpacks to more than {batch.limit_bytes} bytes",
        f"pass over it with `leadscore offsets skip {batch.partition}:{batch.first} --through {batch.last}`, "
        "or restart with a higher LEADSCORE_BATCH_BYTES",
    )


def log_stopped(partition: int, why: Stopped) -> None:
    """Tell the operator, who alone can let it go on."""
    log_event(
        _log,
        logging.ERROR,
        "partition_stopped",
        partition=partition,
        offset=why.offset,
        code=why.reason,
        reason=why.problem,
        fix=why.fix,
    )
