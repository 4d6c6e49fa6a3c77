"""One log line for each command that changes what others see: who did what, how much of it, never with contact data."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.settings import Settings

_NAME = "worker.audit"


def audit(settings: Settings, event: str, **fields: object) -> None:
    """Write *event* with *fields*, the user and the host to standard error, in LEADSCORE_LOG_FORMAT, whatever the level."""
    import getpass
    import socket

    from worker.logs import JsonFormatter, TextFormatter

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = ""
    who = {"app_id": settings.app_id, "user": user, "host": socket.gethostname()}
    record = logging.makeLogRecord({"name": _NAME, "levelno": logging.INFO, "levelname": "INFO", "msg": event})
    record.fields = who | fields
    formatter = JsonFormatter() if settings.log_format == "json" else TextFormatter(colour=False)
    sys.stderr.write(formatter.format(record) + "\n")
