from pathlib import Path

import pytest

from gateway.workers.order import LoadOrder


@pytest.mark.parametrize("allow_pyfunc", [False, True])
def test_an_order_reaches_the_fork_server_as_it_is(tmp_path, allow_pyfunc):
    order = LoadOrder(tmp_path / "key.pem", frozenset({"a.B"}), 2**20, allow_pyfunc)
    assert LoadOrder.from_bytes(order.to_bytes(tmp_path / "model")) == (tmp_path / "model", order)


def test_an_mlflow_model_is_not_opened_by_default():
    assert not LoadOrder(Path("key.pem"), frozenset(), 2**20).allow_pyfunc
