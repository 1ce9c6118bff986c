"""What a request costs to be routed, told where a tier is declared."""

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from proxy.domain import resolution
from proxy.domain.resolution import Cost
from proxy.domain.translate import tables
from tests.proxy.factories import document, tier


def route(name: str, **match: Any) -> dict[str, Any]:
    return {"name": name, "hosts": ["a.test"], "match": match, "upstream": "shop-v1"}


def numbered(count: int, form: str, kind: str) -> list[dict[str, Any]]:
    return [route(f"{kind.replace('_', '-')}-{n}", **{kind: form.format(n)}) for n in range(count)]


def test_the_cost_lies_between_the_measured_points() -> None:
    assert [Cost("a", 1, count).microseconds for count in (0, 50, 100, 1_000)] == [0, 3.5, 7, 86]
    assert Cost("a", 1, 5_500).microseconds == pytest.approx(1457)
    assert Cost("a", 1, 19_000).microseconds == pytest.approx(5570)


def test_expressions_of_the_path_of_conditions_of_templates_and_of_several_methods_count() -> None:
    routes = [
        route("regex", safe_regex="/a[0-9]"),
        route("template", path_template="/b/{id}"),
        route("methods", prefix="/c", methods=["GET", "PUT"]),
        route("method", prefix="/d", methods=["GET"]),
        route("header", prefix="/e", headers=[{"name": "x-a", "safe_regex": "b+"}]),
    ]
    assert resolution.costs(tier(routes=routes)) == (Cost("a.test", 5, 4),)


def test_a_long_table_tries_only_what_the_path_leads_to() -> None:
    prefixes = numbered(tables.LONGEST_LIST, "/p{}", "prefix")
    methods = [{**each, "methods": ["GET", "PUT"]} for each in prefixes]
    more = numbered(2, "/r{}[0-9]", "safe_regex")
    assert resolution.costs(tier(routes=[*methods, *more])) == (Cost("a.test", 102, 2),)


@pytest.mark.real
@pytest.mark.django_db
def test_a_plan_and_an_apply_warn_of_expressions_with_what_they_cost(tmp_path: Path) -> None:
    file = tmp_path / "tier.yaml"
    file.write_text(yaml.safe_dump(document(routes=numbered(50, "/r{}[0-9]", "safe_regex"), objectives=[])))
    for more in (["--plan"], []):
        warned = io.StringIO()
        call_command("apply", str(file), *more, stdout=io.StringIO(), stderr=warned)
        assert warned.getvalue() == (
            "warning: tier edge, a.test: 50 regular expressions and templates are tried on every request that none"
            " of them takes, some 3.5 µs (measured: 100: 7 µs, 1,000: 86 µs, 10,000: 2,828 µs); a path or a prefix"
            " in their place costs next to nothing\n"
        )


def test_a_tier_without_expressions_is_warned_of_nothing() -> None:
    assert list(resolution.warnings(tier())) == []
