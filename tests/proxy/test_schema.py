from pathlib import Path

import pytest

from proxy import schema, validation
from proxy.domain.errors import Invalid
from proxy.domain.translate import kinds
from tests.proxy.factories import tier


def test_the_binary_holds_the_messages_that_are_served() -> None:
    bundled = schema.bundled()
    for kind in kinds.SPOKEN:
        assert bundled.message(kind.removeprefix(schema.TYPE_PREFIX)).DESCRIPTOR.fields


def test_a_field_that_the_stubs_of_others_do_not_know_is_there() -> None:
    budget = schema.bundled().message("envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget")
    assert "budget_interval" in budget.DESCRIPTOR.fields_by_name


def test_a_misspelt_field_is_refused_with_the_resource_and_the_field() -> None:
    with pytest.raises(Invalid, match=r"shop: .*conect_timeout"):
        schema.bundled().encode({"@type": kinds.CLUSTER, "name": "shop", "conect_timeout": "1s"})


def test_a_misspelt_field_deep_in_an_extension_is_refused() -> None:
    lua = kinds.extension("envoy.filters.http.lua", "filters.http.lua.v3.Lua", sourcecode="x")
    chain = {"filters": [lua]}
    with pytest.raises(Invalid, match="sourcecode"):
        schema.bundled().encode({"@type": kinds.LISTENER, "name": "l", "filter_chains": [chain]})


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(Invalid):
        schema.bundled().encode({"@type": "type.googleapis.com/envoy.Nothing", "name": "x"})


def test_the_same_binary_has_the_same_build_id() -> None:
    assert schema.build_id(schema.binary()) == schema.build_id(schema.binary())


def test_a_file_without_a_build_id_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    assert schema.build_id(tmp_path / "a") != schema.build_id(tmp_path / "b")


def test_a_good_tier_has_nothing_against_it() -> None:
    assert validation.check(tier()) == []
