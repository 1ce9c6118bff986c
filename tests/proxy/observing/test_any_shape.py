"""The reader takes whatever JSON there is: it never raises, and what it says is plain data."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain import observing
from proxy.domain.observing.known import FIELDS
from proxy.domain.observing.sections import _READERS, _TELLING

FOREIGN = yaml.safe_load((Path(__file__).parent / "foreign.yaml").read_text())
TYPES = [f"type.googleapis.com/envoy.admin.v3.{kind}" for kind in _READERS]
# The reader's own words, so that what is drawn gets deep into it.
WORDS = sorted(
    {name for fields in FIELDS.values() for name in fields}
    | set(_TELLING)
    | {"@type", "value", "seconds", "nanos", "cluster", "listener", "route_config", "configs", "resources"}
    | {"active_state", "warming_state", "error_state", "common_tls_context", "typed_config", "thresholds"}
    | {"socket_address", "port_value", "virtual_hosts", "routes", "retry_budget", "endpoints", "name"}
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([*TYPES, "1s", "-0.5s", "1e999", "NaN", "9" * 400, "\ud800", "\x00"]),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=6), inner, max_size=5),
    ),
    max_leaves=25,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


PLACES = [path for path in places(FOREIGN) if path]


def changed(path: tuple[Any, ...], value: Any, *, drop: bool) -> Any:
    """The foreign bootstrap with one value replaced, or taken out."""
    document = json.loads(json.dumps(FOREIGN))
    node = document
    for key in path[:-1]:
        node = node[key]
    if drop:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return document


def assert_plain(seen: observing.Seen) -> None:
    text = json.dumps(asdict(seen), default=list, allow_nan=False)
    assert "\\u0000" not in text
    text.encode()


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_any_json_is_read(document: Any) -> None:
    assert_plain(observing.read(document))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({"@type": st.sampled_from(TYPES)}, optional=dict.fromkeys(_TELLING, JSON)))
)
def test_any_section_of_a_dump_is_read(configs: list[Any]) -> None:
    assert_plain(observing.read({"configs": configs}))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PLACES), JSON, st.booleans())
def test_a_configuration_with_anything_in_any_place_is_read(
    path: tuple[Any, ...], value: Any, drop: bool
) -> None:
    assert_plain(observing.read(changed(path, value, drop=drop)))


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    assert_plain(observing.read_text(text))
