"""What a worker is allowed to do and should not have to: said once at its start, as warnings."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from worker.logs import log_event
from worker.settings import open_secret_files

if TYPE_CHECKING:
    from worker.settings import Settings

_log = logging.getLogger(__name__)


def warn_of_exposure(settings: Settings, environ: Mapping[str, str]) -> None:
    """Warn of Kafka in the clear, and of files with secrets, named in *environ*, that every user of the machine may read."""
    if is_in_clear(settings):
        fix = "set LEADSCORE_SECURITY_PROTOCOL to SSL or SASL_SSL"
        log_event(_log, logging.WARNING, "kafka_in_clear", security_protocol=settings.security_protocol, fix=fix)
    for variable in open_secret_files(environ):
        fix = "take the right to read from others (chmod o-r; defaultMode: 0400 in Kubernetes)"
        log_event(_log, logging.WARNING, "secret_open_to_all", variable=variable, fix=fix)


def is_in_clear(settings: Settings) -> bool:
    """Whether events, and the password where there is one, cross a network unencrypted; loopback is none."""
    return not settings.security_protocol.endswith("SSL") and not all(map(_is_loopback, settings.brokers))


def _is_loopback(broker: str) -> bool:
    host = broker.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
