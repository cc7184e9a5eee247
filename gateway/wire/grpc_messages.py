"""The protobuf messages of the Open Inference Protocol, made at import from the compiled `open_inference.proto`.

They have a descriptor pool of their own. In protobuf's default pool, a second library that brings messages of the
package `inference` (each client of Triton or KServe does) could not be imported in the same process. And unlike
generated modules, descriptors work with every version of protobuf and grpcio.
"""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "inference.GRPCInferenceService"
DESCRIPTORS = Path(__file__).with_name("open_inference.binpb")


def _read_pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _read_pool()


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"inference.{name}"))


ModelInferRequest = _message("ModelInferRequest")
ModelInferResponse = _message("ModelInferResponse")


def methods() -> dict[str, tuple[Any, Any]]:
    """The request and the response class of each method of the service."""
    found = _POOL.FindServiceByName(SERVICE).methods
    return {
        method.name: (
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
        )
        for method in found
    }
