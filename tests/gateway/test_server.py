"""What keeps a gateway from starting."""

import socket
import sys

import pytest

from gateway.server import run
from healing.errors import ConfigError

REQUIRED = ("--pipeline", "p", "--release-root", "r", "--public-key", "k", "--state-dir", "s")


@pytest.mark.parametrize("option", ["--grpc-port", "--grpc-fd"])
@pytest.mark.parametrize("missing", ["grpc", "google.protobuf.message"])
def test_without_the_extra_an_error_says_what_to_install(monkeypatch, option, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=r"extra `grpc`.*pip install 'mlops-autopilot\[grpc\]'"):
        run([*REQUIRED, option, "9000"], None)


def test_a_standby_that_binds_its_grpc_port_later_needs_keys_for_an_address_that_others_reach():
    with socket.create_server(("127.0.0.1", 0)) as predict, socket.create_server(("127.0.0.1", 0)) as operate:
        held = ("--predict-fd", str(predict.detach()), "--operate-fd", str(operate.detach()))
        with pytest.raises(ConfigError, match="each purpose needs keys"):
            run([*REQUIRED, *held, "--standby", "--host", "0.0.0.0", "--grpc-port", "0"], None)
