"""Options and exit codes that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

FINDINGS = 1
"""Exit code when something was found."""
USAGE = 2
"""Exit code of a wrong command line."""


class Output(StrEnum):
    """For people or for programs."""

    text = "text"
    json = "json"


OutputOption = Annotated[Output, typer.Option("--output", help="text for people, json for programs")]

YesOption = Annotated[
    bool, typer.Option("--yes", help="do it; without it nothing is changed, and what would be is said")
]
DRY = "nothing was changed; add --yes"
"""What each command that changes something says without it."""
