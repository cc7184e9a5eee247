"""A certificate authority of the tests, and certificates for 127.0.0.1."""

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


class Authority:
    """Its own certificate is in `ca_file`."""

    def __init__(self, folder):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        certificate = _builder(self._name, self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        usage = x509.KeyUsage(*(False,) * 5, True, True, False, False)  # it signs certificates and their revocations
        certificate = certificate.add_extension(usage, True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        certificate = certificate.add_extension(identifier, False).sign(self._key, hashes.SHA256())
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(certificate.public_bytes(_PEM))

    def issue(self, cert_file, key_file):
        """Write a new certificate for 127.0.0.1 and its key; returns the serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = _builder(name, self._name, key).add_extension(address, False).add_extension(identifier, False)
        signed = certificate.sign(self._key, hashes.SHA256())
        plain = serialization.NoEncryption()
        for path, content in (
            (key_file, key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, plain)),
            (cert_file, signed.public_bytes(_PEM)),
        ):
            path.with_suffix(".part").write_bytes(content)
            path.with_suffix(".part").replace(path)
        return signed.serial_number


def _builder(subject, issuer, key):
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
    )
