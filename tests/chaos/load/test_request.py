import pytest

from chaos.load.request import Address


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("http://127.0.0.1:8080/invocations", 8080, False),
        ("http://gateway.example/invocations", 80, False),
        ("https://gateway.example/invocations", 443, True),
        ("https://gateway.example:8443/invocations", 8443, True),
    ],
)
def test_an_address_has_the_port_of_its_scheme(url, port, tls):
    address = Address.of(url)
    assert (address.port, address.tls) == (port, tls)


@pytest.mark.parametrize("url", ["ftp://gateway.example/x", "gateway:8080", "http:///x"])
def test_another_address_is_refused(url):
    with pytest.raises(ValueError, match="expected http://HOST:PORT/PATH or https://HOST/PATH"):
        Address.of(url)
