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


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _varint(value >> 7)


def _field(number: int, value: bytes) -> bytes:
    """A serialized message's field of bytes, text or a message."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _http_rule() -> bytes:
    """The method option `google.api.http` (72295728): get (2), and beside it (11) post (4) with all as the
    body (7). Written as bytes, since its own descriptor is in no package that the lab has.
    """
    post = _field(4, b"/v1/hello") + _field(7, b"*")
    return _field(72295728, _field(2, b"/v1/hello/{name}") + _field(11, post))


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="helloworld.proto", package="helloworld", syntax="proto3")
    _single_string(file, "HelloRequest", "name")
    _single_string(file, "HelloReply", "message")
    method = file.service.add(name="Greeter").method.add(
        name=METHOD, input_type=".helloworld.HelloRequest", output_type=".helloworld.HelloReply"
    )
    method.options.MergeFromString(_http_rule())
    return file


def descriptor_set() -> bytes:
    """What a gateway needs to speak JSON for the greeter: `GET /v1/hello/{name}`, or `POST /v1/hello` with
    `{"name": ...}`.
    """
    return descriptor_pb2.FileDescriptorSet(file=[_file()]).SerializeToString()


def _messages() -> tuple[type[Message], type[Message]]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
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
