"""A certificate authority of the tests' own: certificates for brokers and clients, good ones and every kind of bad."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEAR = timedelta(days=365)
_DAY = timedelta(days=1)
LOOPBACK_NAMES = ("localhost", "127.0.0.1")


class Issued(NamedTuple):
    """PEM files of one certificate."""

    certificate: Path
    key: Path
    chain: Path  # key and certificate in one file, as Kafka's PEM key stores want them


class Authority:
    """
    A certificate authority that lives in *directory*.

    Args:
        directory: Where the files go, made when absent.
        name: Common name of the authority.
    """

    def __init__(self, directory: Path, name: str = "tests' own authority") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _signed(self._name, self._name, self._key, self._key, is_authority=True)
        self.file = directory / "authority.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        common_name: str,
        *,
        names: Sequence[str] = LOOPBACK_NAMES,
        file_name: str = "",
        is_expired: bool = False,
        password: str = "",
    ) -> Issued:
        """
        Return a fresh key and certificate; a *file_name* that was used before is replaced.

        Args:
            common_name: Whose it is; a broker's principal comes from it.
            names: Host names and addresses that it is good for.
            file_name: Stem of the files; *common_name* by default.
            is_expired: Whether it ran out yesterday.
            password: Encrypts the key.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        made = _signed(subject, self._name, key, self._key, names=names, is_expired=is_expired)
        return _written(self._directory, file_name or common_name, made, key, password)


def self_signed(directory: Path, common_name: str) -> Issued:
    """Return a certificate for loopback that nobody but itself vouches for."""
    directory.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return _written(directory, common_name, _signed(name, name, key, key, names=LOOPBACK_NAMES), key, "")


def serial_number(certificate: Path) -> int:
    """Return the serial number of the certificate in *certificate*."""
    return x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    names: Sequence[str] = (),
    is_authority: bool = False,
    is_expired: bool = False,
) -> x509.Certificate:
    today = datetime.now(UTC)  # noqa: TID251 - what is valid is judged by the machine's clock
    until = today - _DAY if is_expired else today + _YEAR
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - 10 * _DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if is_authority:
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = builder.add_extension(usage, critical=True)
    else:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([*map(_general_name, names)]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _written(
    directory: Path, stem: str, made: x509.Certificate, key: ec.EllipticCurvePrivateKey, password: str
) -> Issued:
    """Write each file beside its place and move it there, as whoever rotates certificates does."""
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        protection = serialization.BestAvailableEncryption(password.encode())
    text = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    issued = Issued(*(directory / f"{stem}.{kind}.pem" for kind in ("certificate", "key", "chain")))
    for path, content in zip(issued, (text, secret, secret + text), strict=True):
        beside = path.with_suffix(".new")
        beside.write_bytes(content)
        beside.chmod(0o600)
        beside.replace(path)
    return issued
