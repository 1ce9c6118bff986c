"""The HelloWorld service as gRPC bytes, declared here so that no generated code is kept."""

from collections.abc import Callable
from typing import Protocol, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

SERVICE = "helloworld.Greeter"
METHOD = "SayHello"
PATH = f"/{SERVICE}/{METHOD}"


class HelloRequest(Protocol):
    name: str


class HelloReply(Protocol):
    message: str


def _single_string(file: descriptor_pb2.FileDescriptorProto, message: str, field: str) -> None:
    declared = file.message_type.add(name=message)
    declared.field.add(
        name=field,
        number=1,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
    )


def _messages() -> tuple[type[Message], type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="helloworld.proto", package="helloworld", syntax="proto3")
    _single_string(file, "HelloRequest", "name")
    _single_string(file, "HelloReply", "message")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    request, reply = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"helloworld.{name}"))
        for name in ("HelloRequest", "HelloReply")
    )
    return request, reply


_request, _reply = _messages()
read_request = cast(Callable[[bytes], HelloRequest], _request.FromString)
read_reply = cast(Callable[[bytes], HelloReply], _reply.FromString)


def request_bytes(name: str) -> bytes:
    return _request(name=name).SerializeToString()


def reply_bytes(message: str) -> bytes:
    return _reply(message=message).SerializeToString()
