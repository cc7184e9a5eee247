"""A gateway process that speaks TLS at all ports, its clients, and a certificate that is replaced while it runs."""

import asyncio
import json
import socket
import ssl

import grpc
import httpx
import pytest
from tritonclient.grpc import InferenceServerClient

from chaos.http import get
from chaos.load import ClosedLoop, Request
from healing.errors import GatewayUnavailable
from tasks.runtime.trust import CA_VARIABLE
from tasks.serving.gateway_client import read_gateway_once
from tasks.serving.prediction_log import drain_predictions
from tests.gateway.certificates import Authority
from tests.gateway.ports.grpc.running import grpc_port
from tests.gateway.running import run_gateway, split_body, wait_until
from tests.published import PIPELINE, bootstrap, publish_tiny_model, tiny_rows

pytestmark = pytest.mark.timeout(300)


def certificate_at(port, ca_file):
    """The certificate that a new connection gets, in DER."""
    context = ssl.create_default_context(cafile=ca_file)
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        return connection.getpeercert(binary_form=True)


def test_all_ports_speak_tls_to_all_clients_and_take_a_new_certificate(root, keys, state_dir, tmp_path, monkeypatch):
    authority, files = Authority(tmp_path), (tmp_path / "cert.pem", tmp_path / "key.pem")
    authority.issue(*files)
    bootstrap(root, publish_tiny_model(root, keys))
    options = ("--tls-cert-file", str(files[0]), "--tls-key-file", str(files[1]), "--grpc-port", "0")
    with run_gateway(root, keys, state_dir, *options, ca_file=authority.ca_file) as gateway:
        gateway.wait_for_generation(1)
        assert gateway.ask().json()["predictions"]
        predict, operate = str(gateway.predict.base_url).rstrip("/"), str(gateway.operate.base_url).rstrip("/")
        with pytest.raises(httpx.HTTPError):
            httpx.get(predict.replace("https", "http") + "/ping", timeout=30)
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{predict}/ping", timeout=30)
        with pytest.raises(GatewayUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            read_gateway_once(operate)

        monkeypatch.setenv(CA_VARIABLE, str(authority.ca_file))
        assert read_gateway_once(operate).active_generation == 1
        assert drain_predictions(operate, tmp_path / "lake").rows == 1
        assert get(f"{operate}/release").json()["active_generation"] == 1
        exchanges = []
        request = Request("0", json.dumps(split_body(tiny_rows(1))).encode())
        load = ClosedLoop(
            f"{predict}/invocations", lambda _: request, exchanges.append, 1, 30.0, 30.0, lambda: exchanges
        )
        asyncio.run(load.run())
        assert {exchange.status for exchange in exchanges} == {200}
        address, roots = f"127.0.0.1:{grpc_port(gateway.output)}", authority.ca_file.read_bytes()
        channel = grpc.ssl_channel_credentials(root_certificates=roots)
        with InferenceServerClient(address, ssl=True, creds=channel) as client:
            assert client.is_model_ready(PIPELINE)

        ports = [httpx.URL(predict).port, httpx.URL(operate).port, int(address.rpartition(":")[2])]
        before = certificate_at(ports[0], authority.ca_file)
        authority.issue(*files)
        for port in ports:
            wait_until(
                lambda port=port: certificate_at(port, authority.ca_file) != before, f"a new certificate: {port}"
            )
        files[1].write_text("broken")
        wait_until(lambda: ("unknown", "tls") in gateway.problems(), "the broken key is reported")
        assert gateway.ask().status_code == 200
        authority.issue(*files)
        wait_until(lambda: gateway.problems() == set(), "the problem is over")
        assert gateway.stop() == 0
        logged = gateway.output.read_text()
    assert "loop_failed" in logged
    assert "locals" not in logged
