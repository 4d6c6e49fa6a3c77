"""How Faust finds a transport of ours, and where its services log to."""

from __future__ import annotations

import logging

from faust.transport import drivers

LOGGER = logging.getLogger("faust")
"""For every service here: what a service does by Faust's nature is no news to operators."""


def register_transport(scheme: str, target: str) -> None:
    """Let broker addresses that begin with *scheme* be served by *target* (``package.module:Class``)."""
    drivers.TRANSPORTS.aliases[scheme] = target
