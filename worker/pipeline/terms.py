"""The terms under which a partition's state was written; going on under others is refused, or carries the state over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.errors import StateError
from worker.pipeline.rows import mark_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.pipeline.inputs import PipelineOptions
    from worker.pipeline.rows import PartitionRow
    from worker.scoring.model import Model


def check_terms(row: PartitionRow, models: Sequence[Model], options: PipelineOptions, where: str) -> None:
    """
    Check that *row*, of the partition *where*, was written under terms on which *models* and *options* can go on.

    Raises:
        StateError: another way to tell the time, another erasure key, a model that is older than the one that wrote, or that
            has changed without a new version.
    """
    if row.mode != options.time:
        raise StateError(
            where=where,
            problem=f"state was written with LEADSCORE_TIME={row.mode}, now it is {options.time}",
            fix=f"set LEADSCORE_TIME={row.mode}, or start under another LEADSCORE_APP_ID",
        )
    if row.erasure_check and row.erasure_check != options.erasure_check:
        raise StateError(
            where=where,
            problem="state was written with another LEADSCORE_ERASURE_KEY",
            fix="set the key it was written with; erased contacts could come back otherwise",
        )
    check_models(row, models, where)


def check_models(row: PartitionRow, models: Sequence[Model], where: str) -> None:
    """
    Check that *models* are no older than those that wrote the partition of *row*, and not changed without a new version.

    Raises:
        StateError: one is.
    """
    for model in models:
        version, digest = row.models.get(model.name, (0, b""))
        if version > model.version:
            raise StateError(
                where=where,
                problem=f"state was written by version {version} of model {model.name}, version {model.version} is loaded",
                fix=f"load version {version}; to go back, give the old content a version above {version}",
            )
        if (version, digest) != mark_of(model) and version == model.version:
            raise StateError(
                where=where,
                problem=f"version {version} of model {model.name} has changed since the state was written",
                fix=f"raise `version` to {version + 1} at every change of the file, or load the file as it was",
            )


Versions = dict[str, list[int]]
"""Versions of models, by name."""


def older_versions(row: PartitionRow, models: Sequence[Model]) -> tuple[Versions, Versions]:
    """
    Return the earlier versions under which values of the partition may still be written.

    First those of *models*, whose states are to be carried over; then those of models that are not loaded, for the day they are.
    """
    names = {model.name for model in models}
    older = {name: list(versions) for name, versions in row.older.items() if name in names}
    set_aside = {name: list(versions) for name, versions in row.older.items() if name not in names}
    for model in models:
        version, _ = row.models.get(model.name, mark_of(model))
        if version < model.version:
            older.setdefault(model.name, []).append(version)
    return older, set_aside
