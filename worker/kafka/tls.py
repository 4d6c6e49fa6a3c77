"""TLS to brokers: always verified, host name included, with certificates that may be renewed while the worker runs."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from worker.errors import ConfigError
from worker.logs import log_event

if TYPE_CHECKING:
    from worker.settings import Settings

_log = logging.getLogger(__name__)

_FIELDS = ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location")
_Stamp = tuple[tuple[int, int, int], ...]


class RenewingContext(ssl.SSLContext):
    """
    A context whose every new connection uses the certificate files as they are by then.

    Whoever renews certificates replaces the files; connections that are open stay, as they do with any client. Files that
    cannot be used, such as a certificate whose key has not been replaced yet, leave the ones before in use, with a warning.

    Args:
        settings: Names the files and the password of the key.

    Raises:
        ConfigError: a file cannot be used. Only here: later that is a warning.
    """

    def __new__(cls, settings: Settings) -> Self:  # noqa: ARG004 - what __init__ takes
        """Make the context that asyncio is given; it lends its type alone."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stamp = _stamp(settings)
        self._current = _context(settings)

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a connection."""
        return self._fresh().wrap_bio(*args, **options)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Begin a connection on a blocking socket."""
        return self._fresh().wrap_socket(*args, **options)

    def _fresh(self) -> ssl.SSLContext:
        stamp = _stamp(self._settings)
        if stamp != self._stamp:
            try:
                self._current = _context(self._settings)
            except ConfigError as error:
                log_event(_log, logging.WARNING, "certificates_not_renewed", why=str(error.fields["problem"]))
            else:
                self._stamp = stamp
                log_event(_log, logging.INFO, "certificates_renewed")
        return self._current


def _stamp(settings: Settings) -> _Stamp:
    """Return what tells a replaced file from the one before."""
    found = []
    for name in _FIELDS:
        try:
            seen = Path(getattr(settings, name) or "/nonexistent").stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((seen.st_ino, seen.st_mtime_ns, seen.st_size))
    return tuple(found)


def _context(settings: Settings) -> ssl.SSLContext:
    password = settings.ssl_key_password.reveal() if settings.ssl_key_password else ""
    variable = "LEADSCORE_SSL_CA_LOCATION"
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_location or None)
        if settings.ssl_certificate_location:
            variable = "LEADSCORE_SSL_CERTIFICATE_LOCATION, LEADSCORE_SSL_KEY_LOCATION"
            # The password is given even when there is none: OpenSSL would otherwise ask for it at the terminal, and wait.
            context.load_cert_chain(
                settings.ssl_certificate_location, settings.ssl_key_location or None, lambda: password
            )
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise _unusable(variable, error) from error
    return context


def _unusable(variable: str, error: OSError | ValueError) -> ConfigError:
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError) or error.strerror is None:
        reason = getattr(error, "reason", None) or type(error).__name__
        return ConfigError(
            where=variable,
            problem=f"certificate or key cannot be used ({reason})",
            fix="check that the files are PEM, that certificate and key belong together, and LEADSCORE_SSL_KEY_PASSWORD",
        )
    return ConfigError(
        where=variable,
        problem=f"{error.filename or 'a file'} cannot be read: {error.strerror}",
        fix="mount it readable for this user, or correct the path",
    )
