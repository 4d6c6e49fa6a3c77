"""The terms under which a partition's state was written; going on under others is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.errors import StateError
from worker.pipeline.rows import PartitionRow, model_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.pipeline.inputs import PipelineOptions
    from worker.scoring.model import Model


def check_terms(row: PartitionRow, models: Sequence[Model], options: PipelineOptions, where: str) -> None:
    """Raise StateError when *row*, of the partition *where*, was written under other terms than those given."""
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
    for name, mark in model_marks(models).items():
        stored = row.models.get(name)
        if stored is not None and stored != mark:
            raise StateError(where=where, problem=_model_problem(name, stored[0], mark[0]), fix=_FIX)


_FIX = "load the version that wrote it; this release does not carry state over to another version of a model"


def _model_problem(name: str, stored: int, loaded: int) -> str:
    if stored == loaded:
        return f"version {stored} of model {name} has changed since the state was written"
    return f"state was written by version {stored} of model {name}, version {loaded} is loaded"
