"""Compiles `open_inference.proto`: `python -m gateway.wire.compile_proto` writes `open_inference.binpb` beside it.

Only development needs the compiler (grpcio-tools). A test checks that the file is current.
"""

import tempfile
from pathlib import Path

from gateway.wire.grpc_messages import DESCRIPTORS

PROTO = DESCRIPTORS.with_suffix(".proto")


def compile_proto() -> bytes:
    """The descriptors of the .proto file, as protoc writes them."""
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / DESCRIPTORS.name
        status = protoc.main(["protoc", f"--proto_path={PROTO.parent}", f"--descriptor_set_out={compiled}", str(PROTO)])
        if status != 0:
            raise ValueError(f"protoc refuses {PROTO}: see its output")
        return compiled.read_bytes()


if __name__ == "__main__":
    DESCRIPTORS.write_bytes(compile_proto())
