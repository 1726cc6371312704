"""Certificates that sign themselves, made for a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@attrs.frozen
class Pair:
    """A key and its certificate, as PEM."""

    key: bytes
    certificate: bytes

    def put(self, folder: Path) -> str:
        """Write both there; the rest of an `ssl:` endpoint."""
        (folder / "key.pem").write_bytes(self.key)
        (folder / "cert.pem").write_bytes(self.certificate)
        return f"privateKey={folder}/key.pem:certKey={folder}/cert.pem"


def pair(name: str = "localhost", password: bytes = b"") -> Pair:
    """One for `name`; with a password nobody can read the key but who knows that."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    hidden = BestAvailableEncryption(password) if password else NoEncryption()
    return Pair(
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden),
        certificate=certificate.public_bytes(Encoding.PEM),
    )
