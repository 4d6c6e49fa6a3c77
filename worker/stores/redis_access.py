"""How the store's Redis may be reached, beyond its URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.settings.secret import Secret


@dataclass(frozen=True)
class RedisAccess:
    """
    The LEADSCORE_REDIS_* settings.

    Args:
        password: Of the user in the URL; None: the URL's own, or none.
        ca_location: CA certificates (PEM) for ``rediss://``; empty: the system's.
        certificate_location: Our certificate (PEM); empty: none.
        key_location: Its private key (PEM); empty: it is in the certificate's file.
        timeout_ms: How long one answer may take.
    """

    password: Secret | None = None
    ca_location: str = ""
    certificate_location: str = ""
    key_location: str = ""
    timeout_ms: int = 5_000

    @classmethod
    def from_settings(cls, settings: Settings) -> RedisAccess:
        """Return what *settings* say."""
        return cls(
            password=settings.redis_password,
            ca_location=settings.redis_ca_location,
            certificate_location=settings.redis_certificate_location,
            key_location=settings.redis_key_location,
            timeout_ms=settings.redis_timeout_ms,
        )
