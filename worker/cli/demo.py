"""`leadscore demo`: see it work, with nothing installed and nothing configured."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    seconds: Annotated[
        float, typer.Option(min=3, max=3650, help="How long the traffic runs; each second is a simulated day.")
    ] = 60,
    seed: Annotated[int, typer.Option(help="The same seed gives the same company.")] = 1,
    contacts: Annotated[int, typer.Option(min=1, max=100_000, help="How many people know the company.")] = 2000,
) -> None:
    """
    Watch a real Kafka, a worker and the traffic of a simulated company.

    Ctrl-C ends it early. The first run fetches Apache Kafka (about 43 MB). Exits with 1 when the worker's books do not balance.
    """
    from rich.console import Console

    from worker.demo.show import Plan, run_demo

    plan = Plan(seconds=seconds, seed=seed, contacts=contacts)
    raise typer.Exit(run_demo(plan, Console()))
