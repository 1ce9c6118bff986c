"""The fields that the reader holds for known are those of the bundled Envoy."""

import pytest

from proxy import schema
from proxy.domain.observing.known import FIELDS, MESSAGES


@pytest.mark.parametrize("message", MESSAGES)
def test_the_known_fields_are_the_binarys(message: str) -> None:
    described = schema.bundled().message(MESSAGES[message]).DESCRIPTOR
    assert FIELDS[message] == {field.name for field in described.fields}
