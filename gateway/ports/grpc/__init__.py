"""The gRPC port: the Open Inference Protocol v2 for clients that speak gRPC. It needs the extra `grpc`."""
