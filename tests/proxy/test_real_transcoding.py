"""How JSON is read and written for a gRPC service, as a real Envoy does it by each setting."""

import base64
from typing import Any

import grpc
import pytest
import requests
from google.protobuf import descriptor_pb2

from lab import greeter
from tests.proxy.asking import endpoints, serve
from tests.proxy.world import World

pytestmark = pytest.mark.real

OWN_NAMES = {"message": "said_text"}
"""Another description of the greeter's answers: names are no part of what goes over the wire."""


def described(*, options: bool = True) -> str:
    """The greeter's service with other names, and with or without its methods' options."""
    files = descriptor_pb2.FileDescriptorSet.FromString(greeter.descriptor_set())
    (file,) = files.file
    reply = next(message for message in file.message_type if message.name == "HelloReply")
    for field in reply.field:
        field.name = OWN_NAMES[field.name]
    count = descriptor_pb2.FieldDescriptorProto.TYPE_INT32
    optional = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    reply.field.add(name="words_left", number=2, type=count, label=optional)
    if not options:
        file.service[0].method[0].ClearField("options")
    return base64.b64encode(files.SerializeToString()).decode()


def served(world: World, *, options: bool = True, **settings: Any) -> None:
    transcode = {"descriptor_set": described(options=options), "services": [greeter.SERVICE], **settings}
    serve(
        world,
        upstreams=[{"name": "t", "protocol": "http2", "endpoints": endpoints(world, "greeter-a")}],
        routes=[{"name": "t", "hosts": ["t.test"], "upstream": "t", "transcode": transcode}],
    )


def get(world: World, path: str, *, method: str = "GET", **more: Any) -> requests.Response:
    url = f"http://127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}{path}"
    return requests.request(method, url, headers={"host": "t.test"}, timeout=5, **more)


def test_json_is_written_as_declared(world: World) -> None:
    served(world)
    assert set(get(world, "/v1/hello/ann").json()) == {"saidText"}
    served(world, preserve_proto_field_names=True, always_print_primitive_fields=True)
    answer = get(world, "/v1/hello/ann").json()
    assert (answer["said_text"], answer["words_left"]) == ("Hello ann from greeter-a", 0)


def test_a_query_parameter_that_is_no_field_is_refused_unless_declared(world: World) -> None:
    served(world)
    assert get(world, "/v1/hello/ann?utm_source=mail").status_code == 400
    served(world, ignore_unknown_query_parameters=True)
    assert get(world, "/v1/hello/ann?utm_source=mail").status_code == 200


def test_a_path_of_no_method_is_not_found_and_grpc_passes_as_it_is(world: World) -> None:
    served(world)
    assert get(world, "/v1/nothing").status_code == 404
    options = [("grpc.default_authority", "t.test")]
    with grpc.insecure_channel(f"127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}", options=options) as channel:
        call = channel.unary_unary(
            greeter.PATH, request_serializer=greeter.request_bytes, response_deserializer=greeter.read_reply
        )
        assert call("ann", timeout=5).message == "Hello ann from greeter-a"


def test_a_method_without_options_is_reached_by_its_name_where_declared(world: World) -> None:
    asked: dict[str, Any] = {"method": "POST", "json": {"name": "ann"}}
    served(world, options=False)
    assert get(world, greeter.PATH, **asked).status_code == 404
    served(world, options=False, auto_mapping=True)
    assert get(world, greeter.PATH, **asked).json()["saidText"] == "Hello ann from greeter-a"
