"""The command line: what it prints, how it ends, and that a mistake writes nothing."""

import io
import json
import os
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.utils import timezone

from audit.domain.actor import Actor
from proxy import differences, models, services
from proxy.domain.document import parse
from proxy.validation import words
from runbooks import texts
from tests.proxy.factories import document
from tests.proxy.test_document import FIVE_MISTAKES

pytestmark = pytest.mark.django_db
EDGE = str(Path(__file__).resolve().parents[2] / "lab" / "edge.yaml")


def run(*argv: str) -> str:
    out = io.StringIO()
    call_command(*argv, stdout=out)
    return out.getvalue()


def refused(*argv: str) -> list[str]:
    """The lines of a command that must end with 2."""
    errors = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(*argv, stdout=io.StringIO(), stderr=errors)
    assert ended.value.code == 2
    return errors.getvalue().splitlines()


@pytest.mark.real
def test_the_sample_tier_is_declared_and_comes_back_the_same(tmp_path: Path) -> None:
    assert "tier edge: revision 1" in run("apply", EDGE)
    file = tmp_path / "edge.yaml"
    file.write_text(run("export"))
    assert run("apply", "--plan", str(file)) == "no difference\n"
    assert run("apply", str(file)) == "no difference\n"


@pytest.mark.parametrize("odd", ["a\x85b", "a\u2028b", "two\nlines: #", "'\"\\", "é {{ %"])
def test_whatever_text_is_declared_comes_back(odd: str, tmp_path: Path) -> None:
    one = {"name": "shop", "kind": "route_availability", "route": "shop", "target": 99.9, "description": odd}
    services.apply(document=document(objectives=[one]), by=Actor("ann", "cli"), reason="", now=timezone.now())
    (tier,) = yaml.safe_load(run("export"))["tiers"]
    assert tier["objectives"][0]["description"] == odd


@pytest.mark.real
def test_a_plan_shows_the_exact_fields_and_writes_nothing(tmp_path: Path) -> None:
    run("apply", EDGE)
    changed = tmp_path / "changed.yaml"
    changed.write_text(Path(EDGE).read_text().replace("timeout: 3s", "timeout: 4s"))
    path = "virtual_hosts[payments.test].routes[payments].route"
    assert f"~ routes edge: {path}.timeout: 3s -> 4s" in run("apply", "--plan", str(changed)).splitlines()
    assert models.Revision.objects.count() == 1


@pytest.mark.real
def test_what_was_applied_is_summed_up_and_told_in_full_when_asked_for(tmp_path: Path) -> None:
    first = run("apply", EDGE).splitlines()
    assert (first[0], len(first)) == ("tier edge: revision 1", 2)
    changed = tmp_path / "changed.yaml"
    changed.write_text(Path(EDGE).read_text().replace("timeout: 3s", "timeout: 4s"))
    planned = run("apply", "--plan", str(changed)).splitlines()[:-1]
    count = f"{len(planned)} changes: routes {len(planned)}"
    assert run("apply", str(changed)).splitlines() == ["tier edge: revision 2", count]
    back = run("apply", EDGE, "--verbosity", "2").splitlines()
    assert back[-2:] == ["tier edge: revision 3", count]
    assert len(back) == len(planned) + 2


def test_a_plan_shows_objectives_policy_and_runbooks_which_no_proxy_is_told() -> None:
    given = document()
    kept = {"name": "tls", "kind": "proxy_availability", "target": 99.9, "owner": "ann"}
    given["tiers"][0] |= {
        "objectives": [kept, {"name": "gone", "kind": "proxy_availability", "target": 99}],
        "runbooks": {"retry-storm": {"mode": "approve"}},
    }
    services.apply(document=given, by=Actor("ann", "cli"), reason="", now=timezone.now())
    given["tiers"][0] |= {
        "objectives": [{**kept, "target": 99.95, "owner": "bo"}],
        "runbooks": {"retry-storm": {"mode": "auto"}},
        "budget_policy": {"tell": 60, "freeze": None},
    }
    expected = [
        "~ budget_policy edge: freeze: 0.0 -> null",
        "~ budget_policy edge: tell: 50.0 -> 60.0",
        "- objective gone",
        "~ objective tls: owner: ann -> bo",
        "~ objective tls: target: 99.9 -> 99.95",
        "~ runbook retry-storm: mode: approve -> auto",
    ]

    planned = [str(change) for change in differences.plan(parse(given)[0])]
    applied = services.apply(document=given, by=Actor("ann", "cli"), reason="", now=timezone.now())

    assert planned == list(applied.changes) == expected


def test_five_mistakes_give_five_lines_and_two_and_nothing_is_written(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(FIVE_MISTAKES)
    lines = refused("apply", str(file))
    assert len(lines) == 5
    assert "tiers[0].routes[0].split.shop-v2: there is no upstream shop-v2" in lines
    assert not models.Tier.objects.exists()


def test_a_runbook_that_is_not_there_is_refused_where_it_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    given = document()
    given["tiers"][0] |= {
        "objectives": [{"name": "tls", "kind": "proxy_availability", "target": 99, "runbook": "nope"}],
        "runbooks": {"retry-strom": {"mode": "auto"}},
    }
    file.write_text(yaml.safe_dump(given))
    known = f"there are {', '.join(texts.built_in())}"
    assert refused("apply", "--plan", str(file)) == [
        f"tiers[0].runbooks.retry-strom: there is no runbook retry-strom; {known}",
        f"tiers[0].objectives[0].runbook: there is no runbook nope; {known}",
    ]


def test_envoy_s_words_are_told_though_it_crashes_after_them() -> None:
    """As Envoy 1.40 printed it, with the statistics loggers configured."""
    at, file = "[2026-11-25 03:33:12.882][13121][critical]", Path("/tmp/x/tier.json")
    lines = [
        f"{at}[main] [source/server/config_validation/server.cc:76] error initializing configuration '{file}': "
        "Failed to initialize ECDH curves X25519:X25519",
        f"{at}[backtrace] [./source/server/backtrace.h:173] Caught Segmentation fault, suspect faulting address",
        f"{at}[backtrace] [./source/server/backtrace.h:167] #7: [0x7fef8d20624a]",
        "",
    ]
    assert words("\n".join(lines), file) == "Failed to initialize ECDH curves X25519:X25519"


@pytest.mark.real
def test_what_only_envoy_knows_to_be_wrong_is_refused_with_its_words(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    given = document()
    given["tiers"][0]["proxies"][0]["bind"] = "not-an-address"
    file.write_text(yaml.safe_dump(given))
    assert refused("apply", str(file)) == ["edge: Envoy refuses it: malformed IP address: not-an-address"]
    assert not models.Tier.objects.exists()


def test_a_file_that_is_not_there_is_one_line() -> None:
    assert refused("apply", f"nowhere{os.sep}edge.yaml") == ["nowhere/edge.yaml: No such file or directory"]


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_bytes(b"tiers: \xff\xfe")
    assert refused("apply", str(file)) == [f"{file}: is not UTF-8"]


@pytest.mark.real
def test_the_bootstrap_names_the_proxy_and_the_ads_server() -> None:
    run("apply", EDGE)
    made = json.loads(run("bootstrap", "edge-2", "--ads", "0.0.0.0:18000"))
    assert made["node"] == {"id": "edge-2", "cluster": "edge"}
    (ads,) = made["static_resources"]["clusters"]
    (endpoint,) = ads["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 18000}


@pytest.mark.real
def test_a_bootstrap_in_a_file_says_where_its_proxy_will_look_for_ads(tmp_path: Path) -> None:
    run("apply", EDGE)
    file = tmp_path / "edge-2.json"
    said = run("bootstrap", "edge-2", "--ads", "10.0.0.1:18000,ads.example:18001", "--output", str(file))
    assert said == f"{file}: edge/edge-2 looks for ADS at 10.0.0.1:18000, ads.example:18001\n"
    assert json.loads(file.read_text())["node"]["id"] == "edge-2"


def test_an_unknown_proxy_or_tier_is_an_error() -> None:
    with pytest.raises(CommandError, match="there is no proxy edge-9"):
        run("bootstrap", "edge-9")
    with pytest.raises(CommandError, match="there is no tier nope"):
        run("export", "nope")
