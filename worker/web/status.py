"""What a worker says about itself to operators: where it stands and how far behind it is; never contact data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Phase = Literal["waiting", "restoring", "carrying_over", "running", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """One owned partition of the input topic. None: not known yet."""

    partition: int
    phase: Phase
    position: int | None = None  # next offset to read
    lag_records: int | None = None
    lag_seconds: float | None = None
    restored_rows: int = 0  # by the last restore, so far
    restore_total: int | None = None  # changelog offsets that there were to read when it began
    restore_remaining: int | None = None  # changelog offsets still to read


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreStatus:
    """The last restore of this process, of all its partitions together."""

    rows: int  # read so far
    remaining: int  # changelog offsets still to read
    rows_per_second: int  # over the last 10 s
    seconds: float  # so far, or in all
    seconds_left: int | None  # an estimate by the last 10 s; None: not known yet


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """A scoring model in use."""

    name: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """
    The worker at one instant.

    *is_live* false asks the supervisor for a restart; *is_ready* false says that partitions are not (yet) served, which is no
    reason to restart. *problem* says why, in words that hold no contact data.
    """

    version: str
    app_id: str
    topic: str
    guarantee: str
    is_live: bool
    is_ready: bool
    problem: str = ""
    topic_partitions: int | None = None  # of the input topic in all, ours and others'
    partitions: tuple[PartitionStatus, ...] = ()
    models: tuple[ModelStatus, ...] = ()
    restore: RestoreStatus | None = None

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON values; what is not known is left out."""
        return {name: value for name, value in asdict(self, dict_factory=_without_none).items() if value != ""}


def _without_none(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not None}
