"""The file that describes gRPC services: how its content comes into a declaration, and whose upstreams fit."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from lab import greeter
from proxy import selectors
from proxy.domain import difference, transcoding
from proxy.domain.errors import Invalid
from proxy.domain.translate import kinds
from tests.proxy.factories import declaration
from tests.proxy.test_commands import refused, run
from tests.proxy.test_document import mistakes

CONTENT = base64.b64encode(greeter.descriptor_set()).decode()


def greeting(transcode: dict[str, Any], protocol: str = "http2") -> dict[str, Any]:
    route = {"name": "g", "hosts": ["g.test"], "upstream": "g", "transcode": transcode}
    upstream = {"name": "g", "protocol": protocol, "endpoints": [{"port": 11006}]}
    return {"tiers": [declaration(upstreams=[upstream], routes=[route])]}


def test_the_content_takes_the_place_of_the_files_name() -> None:
    given = greeting({"descriptor_set_file": "greeter.pb", "services": [greeter.SERVICE]})
    found = transcoding.attached(given, {"greeter.pb": b"abc"}.__getitem__)
    assert found == greeting({"descriptor_set": "YWJj", "services": [greeter.SERVICE]})


def test_a_file_that_cannot_be_read_is_told_with_its_path(tmp_path: Path) -> None:
    given = greeting({"descriptor_set_file": "none.pb", "services": ["a.B"]})
    with pytest.raises(Invalid) as error:
        transcoding.attached(given, lambda name: (tmp_path / name).read_bytes())
    assert dict(error.value.errors) == {
        "tiers[0].routes[0].transcode.descriptor_set_file": "cannot read none.pb: No such file or directory"
    }


def test_an_upstream_that_does_not_speak_grpc_is_refused() -> None:
    given = greeting({"descriptor_set": CONTENT, "services": [greeter.SERVICE]}, protocol="http1")
    assert mistakes(given) == {
        "tiers[0].routes[0].transcode": "upstream g needs protocol http2, which gRPC is spoken over"
    }


def test_what_is_no_base64_is_refused() -> None:
    given = greeting({"descriptor_set": "greeter.pb", "services": [greeter.SERVICE]})
    (message,) = mistakes(given).values()
    assert "name the file in descriptor_set_file" in message


@pytest.mark.real
@pytest.mark.django_db
def test_apply_takes_the_file_beside_the_declaration(tmp_path: Path) -> None:
    given = greeting({"descriptor_set_file": "greeter.pb", "services": [greeter.SERVICE]})
    (tmp_path / "greeter.pb").write_bytes(greeter.descriptor_set())
    (tmp_path / "edge.yaml").write_text(json.dumps(given))
    run("apply", str(tmp_path / "edge.yaml"))
    (route,) = selectors.base("edge").routes
    assert route.transcode is not None
    assert route.transcode.descriptor_set == CONTENT


@pytest.mark.real
@pytest.mark.django_db
def test_a_service_that_is_not_described_is_refused_by_envoy(tmp_path: Path) -> None:
    given = greeting({"descriptor_set": CONTENT, "services": ["helloworld.Nobody"]})
    (tmp_path / "edge.yaml").write_text(json.dumps(given))
    assert "helloworld.Nobody" in " ".join(refused("apply", str(tmp_path / "edge.yaml")))


def test_a_description_of_services_is_told_shortly_in_a_difference() -> None:
    one, other = ({kinds.LISTENER: {"edge": {"bytes": letter * 5000}}} for letter in "ab")
    (change,) = difference.difference(one, other)
    assert str(change) != str(difference.difference(other, one)[0])
    assert len(str(change)) < 300
