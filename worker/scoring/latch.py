"""What sales was told of one contact under one model, and whether it may hear of it again."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Status(IntEnum):
    """Where the latch stands; the numbers are stored."""

    OPEN = 0
    READY = 1
    RESTING = 2
    WAITING = 3
    CLOSED = 4


class Latch(msgspec.Struct, array_like=True):
    """What was told of one contact under one model. It follows processing order and is no part of the fold. Instants in ms."""

    status: Status = Status.OPEN
    sequence: int = 0
    epoch: int = 0  # event time of the last erasure, else 0
    first_ready_ms: int | None = None
    last_ready_ms: int | None = None
    told_ms: int | None = None  # `at` of the newest lead.sales_ready or lead.cooled of this epoch
    told_score: float = 0.0  # as shown in the newest transition of any kind
    told_tier: int = 0  # rank there
    timer_cooled_ms: int | None = None  # `at` of the newest lead.cooled by timer
    is_kept_back: bool = False  # the newest lead.sales_ready was not published
    tier: int = 0  # rank as told by the newest lead.tier_changed; the lowest before
    tier_changes: int = 0  # how many of these there were

    @property
    def is_ready(self) -> bool:
        """Whether sales holds this lead for ready."""
        return self.status is Status.READY
