"""Triton's gRPC client at a gateway, and clients that keep calling."""

import re
import threading
from collections import Counter
from contextlib import contextmanager

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from tests.gateway.running import wait_until
from tests.published import PIPELINE, SCHEMA, tiny_rows

DATATYPES = {"carrier": ("BYTES", object), "distance": ("FP64", np.float64), "hour": ("INT64", np.int64)}
_PORT = re.compile(r'"grpc":\["127\.0\.0\.1",(\d+)\]')


def grpc_port(output):
    """The port that a gateway's output names."""
    return int(_PORT.search(output.read_text())[1])


def tensors(rows):
    """The rows of the tiny model as one input per column."""
    inputs = []
    for place, (name, (datatype, kind)) in zip(range(len(SCHEMA.names)), DATATYPES.items(), strict=True):
        values = np.array([row[place] for row in rows], dtype=kind)
        tensor = InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values)
        inputs.append(tensor)
    return inputs


def parameters(result):
    """The parameters of a response."""
    found = result.get_response().parameters.items()
    return {name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in found}


class GrpcLoad:
    """Counts answers by rung, and keeps the errors of calls that failed."""

    def __init__(self):
        self.rungs = Counter()
        self.failed = []
        self.stopping = threading.Event()

    def wait_for(self, more, rung="champion"):
        wanted = self.rungs[rung] + more
        wait_until(
            lambda: self.rungs[rung] >= wanted or self.failed, f"{more} more answers of {rung}; now {self.rungs}"
        )


def _keep_calling(port, load, headers):
    with InferenceServerClient(f"127.0.0.1:{port}") as client:
        number = 0
        while not load.stopping.is_set():
            number += 1
            try:
                result = client.infer(PIPELINE, tensors([tiny_rows(64)[number % 64]]), headers=headers)
            except InferenceServerException as error:
                load.failed.append(str(error))
                return
            load.rungs[parameters(result)["rung"]] += 1


@contextmanager
def keep_calling(port, clients=4, headers=None):
    """`clients` threads, each with a connection of its own, until the block ends."""
    load = GrpcLoad()
    threads = [threading.Thread(target=_keep_calling, args=(port, load, headers)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stopping.set()
        for thread in threads:
            thread.join()
