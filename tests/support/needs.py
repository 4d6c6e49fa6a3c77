"""What a test needs from outside: present, or a skip that says what is missing, or a failure where it is demanded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NoReturn

import pytest

STRICT = "LEADSCORE_TEST_STRICT"

_at_start: Mapping[str, str] = dict(os.environ)  # tests see a cleaned environment


def is_strict(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether a missing part fails the run: LEADSCORE_TEST_STRICT is set, and not to ``0``."""
    return (_at_start if environ is None else environ).get(STRICT, "") not in {"", "0"}


def need(name: str, environ: Mapping[str, str] | None = None) -> str:
    """
    Return the value of the variable *name*, which says where a part is found.

    Args:
        name: A variable such as ``LEADSCORE_TEST_REDIS_URL``.
        environ: Where to look; by default the environment as the run was started with.

    Without a value the calling test is skipped, or fails under LEADSCORE_TEST_STRICT=1; the message names the variable.
    """
    given = _at_start if environ is None else environ
    return given.get(name) or missing(f"{name} is not set", environ)


def missing(what: str, environ: Mapping[str, str] | None = None) -> NoReturn:
    """End the calling test because of *what*: a skip, or a failure under LEADSCORE_TEST_STRICT=1."""
    if is_strict(environ):
        pytest.fail(f"{what}, and {STRICT} demands it", pytrace=False)
    pytest.skip(what)
