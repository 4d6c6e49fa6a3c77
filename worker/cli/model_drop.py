"""`leadscore model drop`: let go of the states of a model that is no longer loaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.audit import audit
from worker.cli.options import DRY, Output, OutputOption, YesOption
from worker.cli.pages import echo_json

if TYPE_CHECKING:
    from worker.settings import Settings


def drop(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name of the model, as in its file")],
    yes: YesOption = False,
    output: OutputOption = Output.text,
) -> None:
    """
    Remove the stored states of a model that is no longer in LEADSCORE_MODELS; its scores cannot be had back without a replay.

    A worker restarts by itself when it next writes, goes through all contacts once and is not ready meanwhile. Without --yes
    it only says which partitions hold such states. With at_least_once the workers have to be stopped first: what one of them
    writes at the same moment would undo it. Exits 0; 69 when no broker answers; 78 when the model is loaded, or workers run.
    """
    import asyncio

    from worker.errors import ConfigError
    from worker.operations.position_change import carry_out, drop_model, look
    from worker.scoring.model_file import load_models
    from worker.settings import load_settings

    settings = load_settings(os.environ)
    if name in {model.name for model in load_models(settings.models)}:
        raise ConfigError(
            where="LEADSCORE_MODELS",
            problem=f"model {name} is loaded",
            fix="take it out, restart the workers without it, then drop it",
        )
    decide = drop_model(name)
    found = [one for one in map(decide, asyncio.run(look(settings))) if one is not None]
    partitions = [one.partition for one in found]
    if yes and settings.guarantee == "at_least_once":
        _check_stopped(settings)
    if yes:
        for partition in partitions:
            if asyncio.run(carry_out(settings, partition, decide, f"model drop {name}")) is not None:
                audit(settings, "model_dropped", model=name, partition=partition)
    if output is Output.json:
        echo_json({"model": name, "is_dry": not yes, "partitions": partitions})
    elif not partitions:
        typer.echo(f"no partition holds states of {name}, or they are going already")
    else:
        where = f"partition{'s' if len(partitions) > 1 else ''} {', '.join(map(str, partitions))}"
        typer.echo(f"{where}: states of {name} {'go now' if yes else f'would go; {DRY}'}")


def _check_stopped(settings: Settings) -> None:
    """Raise ConfigError while the group has members."""
    import asyncio

    from worker.errors import ConfigError
    from worker.operations.group_lag import read_lag

    group = asyncio.run(read_lag(settings))
    if group.state not in {"Empty", "Dead"}:
        raise ConfigError(
            where=group.group,
            problem=f"the group is {group.state}: workers run, and with at_least_once what they write would undo this",
            fix="stop the workers, run the command again, and start them",
        )
