"""How Kafka is spoken to: settings under librdkafka's names, as the options that every aiokafka client takes."""

from __future__ import annotations

from pathlib import Path
from ssl import SSLError
from typing import TYPE_CHECKING, Any

from aiokafka.helpers import create_ssl_context

from worker.errors import ConfigError

if TYPE_CHECKING:
    from worker.settings import Settings


def client_options(settings: Settings) -> dict[str, Any]:
    """
    Return ``bootstrap_servers`` and the security options for a consumer, a producer or an admin client.

    Raises:
        ConfigError: a certificate or key cannot be read.
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
        options["ssl_context"] = _ssl_context(settings)
    return options


def _ssl_context(settings: Settings) -> Any:
    for name in ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location"):
        path = getattr(settings, name)
        if path and not Path(path).is_file():
            raise ConfigError(
                where=f"LEADSCORE_{name.upper()}", problem=f"no file at {path}", fix="mount it, or correct the path"
            )
    try:
        return create_ssl_context(
            cafile=settings.ssl_ca_location or None,
            certfile=settings.ssl_certificate_location or None,
            keyfile=settings.ssl_key_location or None,
            password=settings.ssl_key_password.reveal() if settings.ssl_key_password else None,
        )
    except (OSError, SSLError, ValueError) as error:
        raise ConfigError(
            where="LEADSCORE_SSL_*",
            problem=f"certificate or key cannot be used ({type(error).__name__})",
            fix="check that they are PEM, belong together, and that the key's password is right",
        ) from error
