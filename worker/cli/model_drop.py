"""`leadscore model drop`: let go of the states of a model that is no longer loaded."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from worker.cli.audit import audit
from worker.cli.options import Output, OutputOption


def drop(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name of the model, as in its file")],
    yes: Annotated[bool, typer.Option("--yes", help="do it; without it nothing is changed")] = False,
    output: OutputOption = Output.text,
) -> None:
    """
    Remove the stored states of a model that is no longer in LEADSCORE_MODELS; its scores cannot be had back without a replay.

    The workers restart by themselves, go through all contacts once and are not ready meanwhile. Without --yes it only says
    which partitions hold such states. Exits 0; 69 when no broker answers; 78 when the model is loaded.
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
    if yes:
        for partition in partitions:
            if asyncio.run(carry_out(settings, partition, decide, f"model drop {name}")) is not None:
                audit(settings, "model_dropped", model=name, partition=partition)
    if output is Output.json:
        import orjson

        document = {"model": name, "is_dry": not yes, "partitions": partitions}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    elif not partitions:
        typer.echo(f"no partition holds states of {name}, or they are going already")
    else:
        numbers = ", ".join(map(str, partitions))
        typer.echo(f"partitions {numbers}: states of {name} {'go now' if yes else 'would go; add --yes'}")
