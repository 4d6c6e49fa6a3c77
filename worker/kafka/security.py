"""How Kafka is spoken to: settings under librdkafka's names, as the options that every aiokafka client takes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from worker.kafka.tls import RenewingContext

if TYPE_CHECKING:
    from worker.settings import Settings


def client_options(settings: Settings) -> dict[str, Any]:
    """
    Return ``bootstrap_servers`` and the security options for a consumer, a producer or an admin client.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.brokers),
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.startswith("SASL_"):
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.reveal() if settings.sasl_password else ""
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = _context(settings)
    return options


@lru_cache(maxsize=4)
def _context(settings: Settings) -> RenewingContext:
    """Return one context for all clients: files that are being replaced just then must not fail those that are made later."""
    return RenewingContext(settings)
