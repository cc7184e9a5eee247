"""TLS of the gateway's ports: which files load, what a connection gets, and new files without a restart."""

import asyncio
import contextlib
import ssl

import pytest
from cryptography import x509

from gateway.ports.tls import ServerTls
from gateway.settings import parse_settings
from healing.errors import ConfigError
from tests.gateway.certificates import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def files(tmp_path):
    return tmp_path / "cert.pem", tmp_path / "key.pem"


def client_context(authority, **options):
    context = ssl.create_default_context(cafile=authority.ca_file)
    for name, value in options.items():
        setattr(context, name, value)
    return context


@contextlib.asynccontextmanager
async def served(tls, protocol="http/1.1"):
    async def close(_, writer):
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=tls.context(protocol))
    async with server:
        yield server.sockets[0].getsockname()[1]


async def serial_of(port, context):
    """The serial number of the certificate that a new connection gets."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    connection = writer.get_extra_info("ssl_object")
    serial = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True)).serial_number
    writer.close()
    return serial


async def test_a_new_certificate_is_used_by_the_next_connection_and_a_broken_one_changes_nothing(authority, files):
    first = authority.issue(*files)
    tls, context = ServerTls(*files), client_context(authority)
    async with served(tls) as port:
        assert await serial_of(port, context) == first
        second = authority.issue(*files)
        await tls.look()
        assert await serial_of(port, context) == second != first
        authority.issue(files[0], files[1].with_name("other.pem"))  # a certificate with another key
        with pytest.raises(OSError, match="cannot be loaded"):
            await tls.look()
        assert await serial_of(port, context) == second
        files[0].unlink()
        with pytest.raises(OSError, match="cannot be loaded"):
            await tls.look()
        assert await serial_of(port, context) == second
        third = authority.issue(*files)
        await tls.look()
        assert await serial_of(port, context) == third


@pytest.mark.filterwarnings("ignore:.*TLSv1_1 is deprecated")
async def test_tls_before_1_2_is_refused(authority, files):
    authority.issue(*files)
    tls, old = ServerTls(*files), client_context(authority)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with served(tls) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await serial_of(port, old)
        assert await serial_of(port, client_context(authority, maximum_version=ssl.TLSVersion.TLSv1_2))
    assert tls.context("h2").minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
async def test_each_port_agrees_on_its_own_protocol(authority, files, protocol):
    authority.issue(*files)
    context = client_context(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with served(ServerTls(*files), protocol) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == protocol
        writer.close()


def settings(**files):
    required = {"pipeline": "p", "release-root": "r", "public-key": "k", "state-dir": "s"}
    return parse_settings([word for name, value in {**required, **files}.items() for word in (f"--{name}", str(value))])


def test_both_files_are_set_and_can_be_loaded(authority, files):
    assert ServerTls.of(settings()) is None
    with pytest.raises(ConfigError, match="set both"):
        ServerTls.of(settings(**{"tls-cert-file": files[0]}))
    both = settings(**{"tls-cert-file": files[0], "tls-key-file": files[1]})
    with pytest.raises(ConfigError, match=r"cert.pem.*No such file.*--tls-cert-file"):
        ServerTls.of(both)
    authority.issue(*files)
    assert ServerTls.of(both) is not None
    files[1].write_bytes(files[0].read_bytes())
    with pytest.raises(ConfigError, match="cannot be loaded"):
        ServerTls.of(both)
