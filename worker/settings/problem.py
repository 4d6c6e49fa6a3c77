"""One thing that is wrong with the settings."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """The variable, and a text that says what is wrong with it and how to put it right."""

    variable: str
    text: str
