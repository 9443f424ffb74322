"""Tokens, certificate and kubeconfig: kept in the state directory, so that they stay valid across restarts.

TLS is not for secrecy on loopback: kubectl sends a token over TLS only. All files are for their owner alone.
"""

from __future__ import annotations

import base64
import os
import secrets
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

HOST = "127.0.0.1"
VALID_DAYS = 3650


@dataclass(frozen=True)
class Credentials:
    """Who may come in, and how the server proves itself."""

    token: str
    certificate: Path
    key: Path

    def ssl_context(self) -> ssl.SSLContext:
        """Return the server's side of TLS."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


def load(state_dir: Path) -> Credentials:
    """Read the credentials, made on first use."""
    token_file, certificate, key = (state_dir / name for name in ("token", "server.crt", "server.key"))
    if not token_file.exists() or not token_file.read_text().strip():
        write_private(token_file, secrets.token_hex(32).encode())
    if not (certificate.exists() and key.exists()):
        made_certificate, made_key = _make_certificate()
        write_private(key, made_key)
        write_private(certificate, made_certificate)
    return Credentials(token_file.read_text().strip(), certificate, key)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    draft.replace(path)


def kubeconfig(credentials: Credentials, port: int) -> str:
    """Return the kubeconfig's text; context, cluster and user are all named devcluster."""
    authority = base64.b64encode(credentials.certificate.read_bytes()).decode()
    return f"""\
apiVersion: v1
kind: Config
clusters:
- name: devcluster
  cluster:
    server: https://{HOST}:{port}
    certificate-authority-data: {authority}
users:
- name: devcluster
  user:
    token: {credentials.token}
contexts:
- name: devcluster
  context:
    cluster: devcluster
    user: devcluster
    namespace: default
current-context: devcluster
"""


def _make_certificate() -> tuple[bytes, bytes]:
    """Make a self-signed certificate for loopback; strict verifiers (Python 3.13) want every extension here."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "devcluster")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address(HOST))]
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private
