"""What a partition is given: records, the names of topics, and how to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Literal, NamedTuple, Protocol

from worker.contracts.headers import Headers
from worker.pipeline.budget import CacheBudget
from worker.pipeline.flood import WINDOW

_CHECK_BYTES = 8

GetMany = Callable[[Sequence[bytes]], list[bytes | None]]
"""Reads stored values: one for each key, in order, None where there is none."""


class Record(Protocol):
    """A Kafka record, as far as scoring looks at it."""

    @property
    def offset(self) -> int:
        """Place in the source partition."""
        ...

    @property
    def timestamp(self) -> int:
        """Record time, ms."""
        ...

    @property
    def key(self) -> bytes | None:
        """The contact id in UTF-8; None when the producer gave none."""
        ...

    @property
    def value(self) -> bytes | None:
        """The payload; None for a tombstone."""
        ...

    @property
    def headers(self) -> Headers:
        """As received."""
        ...


class Topics(NamedTuple):
    """Where outputs go; an empty name switches that output off."""

    source: str
    qualifications: str
    scores: str
    dlq: str


class Place(NamedTuple):
    """The partition that is scored, among how many."""

    partition: int
    partitions: int


@dataclass(frozen=True)
class PipelineOptions:
    """How scoring runs on a partition; all spans in ms."""

    time: Literal["wall", "stream"] = "wall"
    grace_ms: int = 5_000
    max_skew_ms: int = 300_000
    budget: CacheBudget = field(
        default_factory=CacheBudget
    )  # of contacts in memory; shared by all that get these options
    epoch: int = 0  # of the source topic, for a partition that is new; afterwards the stored one counts
    dlq_limit: int = WINDOW  # refused among as many records in a row at which a partition still goes on
    clamp: bool = True  # False where records have no timestamps of their own (a file)
    publish_tiers: bool = False  # whether lead.tier_changed is told
    publish_model_changes: bool = False  # whether what a new version of a model changes is told
    emit_since_ms: int | None = None  # transitions of before are kept back; None: all are told
    merges_by_fence: bool = (
        False  # whether a worker that was cut off may still write rows: a deletion must tell its age then
    )
    erasure_key: bytes = b""  # keys the hashes under which erasures are remembered

    @cached_property
    def erasure_check(self) -> bytes:
        """What a stored partition can be compared with, so that another key is noticed; it says nothing about the key."""
        if not self.erasure_key:
            return b""
        return blake2b(b"leadscore erasure check", key=self.erasure_key, digest_size=_CHECK_BYTES).digest()
