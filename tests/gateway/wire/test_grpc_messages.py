"""The compiled messages are those of the .proto file, and those that other implementations have."""

from google.protobuf import descriptor_pb2

from gateway.wire.compile_proto import compile_proto
from gateway.wire.grpc_messages import DESCRIPTORS, SERVICE, methods


def parsed(content):
    return descriptor_pb2.FileDescriptorSet.FromString(content)


def test_the_compiled_file_is_current():
    assert parsed(DESCRIPTORS.read_bytes()) == parsed(compile_proto()), "run: python -m gateway.wire.compile_proto"


def fields(message):
    """Each field of a message and of those within it: number, type, repetition, and the message that it has."""
    return {
        field.name: (field.number, field.type, field.is_repeated, field.message_type and field.message_type.full_name)
        for field in message.fields
    } | {nested.name: fields(nested) for nested in message.nested_types}


def test_each_message_is_the_one_of_tritons_client():
    from tritonclient.grpc import service_pb2

    theirs = service_pb2.DESCRIPTOR
    service = theirs.services_by_name["GRPCInferenceService"]
    assert service.full_name == SERVICE
    seen = set()

    def compare(message):
        if message.full_name in seen:
            return
        seen.add(message.full_name)
        other = theirs.pool.FindMessageTypeByName(message.full_name)
        found = fields(other)
        assert fields(message).items() <= found.items()
        for field in message.fields:
            if field.message_type is not None:
                compare(field.message_type)

    for name, (request, response) in methods().items():
        method = service.methods_by_name[name]
        assert method.input_type.full_name == request.DESCRIPTOR.full_name
        assert method.output_type.full_name == response.DESCRIPTOR.full_name
        compare(request.DESCRIPTOR)
        compare(response.DESCRIPTOR)
    assert len(seen) > 20
