"""States of models that are no longer loaded: they stay until an operator has them dropped, then they go for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.pipeline.rows import model_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from worker.pipeline.rows import Mark, PartitionRow
    from worker.scoring.contact import Contact
    from worker.scoring.model import Model

_DROPPED = "-"
"""Before the name of a model that is dropped, among those that a scan of stored contacts was done for."""


def to_drop(row: PartitionRow | None, models: Sequence[Model]) -> frozenset[str]:
    """Return the models whose states an operator wants gone from the partition of *row*; never one of *models*, which are loaded."""
    if row is None:
        return frozenset()
    return frozenset(row.dropping) - {model.name for model in models}


def scanned_for(older: Collection[str], dropped: Collection[str]) -> list[str]:
    """Return what a scan of stored contacts is done for, so that a restart knows whether it may go on with one."""
    return sorted(older) + [_DROPPED + name for name in sorted(dropped)]


def forget(contact: Contact, dropped: frozenset[str]) -> bool:
    """Remove the states of *dropped* models from *contact*; whether there were any."""
    if dropped.isdisjoint(contact.others):
        return False
    contact.others = {name: state for name, state in contact.others.items() if name not in dropped}
    return True


def left_behind(row: PartitionRow | None, models: Sequence[Model]) -> list[bytes]:
    """Return the keys of model rows that a worker had still to delete when it ended, but for those of *models*, which are loaded."""
    needed = {model_key(model.name, model.version) for model in models}
    return [] if row is None else [key for key in row.left_behind if key not in needed]


def rows_of(dropped: Collection[str], marks: Mapping[str, Mark], aside: Mapping[str, Sequence[int]]) -> list[bytes]:
    """Return the keys of the rows that hold the content of *dropped* models, in every version that may have written."""
    return [
        model_key(name, version)
        for name in sorted(dropped)
        for version in sorted({*aside.get(name, ()), *([marks[name][0]] if name in marks else [])})
    ]
