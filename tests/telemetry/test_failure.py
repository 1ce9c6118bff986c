"""One definition of a failure, in two forms that say the same."""

import re
from itertools import product

import pytest

from telemetry.domain.failure import ORIGINATORS, Matchers, failed, failed_attempts, failed_requests

CODES = ("0", "200", "404", "500", "503")
STATUSES = ("", *(str(code) for code in range(17)))
REASONS = ("backend", "client_gone", "connect_failed", "no_healthy_upstream", "upstream_reset", "other")
FLAGS = ("-", "UF", "UR")


def meets(labels: dict[str, str], matcher: str) -> bool:
    """One PromQL matcher, as Prometheus reads it."""
    found = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher)
    assert found is not None
    label, operator, value = found.groups()
    here = labels.get(label, "")
    equal = re.fullmatch(value, here) is not None if "~" in operator else here == value
    return equal != operator.startswith("!")


def meets_any(labels: dict[str, str], ways: tuple[Matchers, ...]) -> bool:
    return any(all(meets(labels, matcher) for matcher in way) for way in ways)


def test_matchers_and_predicate_agree_on_every_request() -> None:
    ways = tuple(way for originator in ORIGINATORS for way in failed_requests(originator))
    every = [
        {"code": code, "grpc": status, "reason": reason}
        for code, status, reason in product(CODES, STATUSES, REASONS)
    ]

    assert [labels for labels in every if failed(labels) != meets_any(labels, ways)] == []


def test_matchers_and_predicate_agree_on_every_attempt() -> None:
    every = [
        {"code": code, "grpc": status, "flags": flags}
        for code, status, flags in product(CODES, STATUSES, FLAGS)
    ]

    assert [labels for labels in every if failed(labels) != meets_any(labels, failed_attempts())] == []


def test_no_request_is_failed_by_both_the_proxy_and_a_backend() -> None:
    proxy, backend = (failed_requests(originator) for originator in ORIGINATORS)
    every = [
        {"code": code, "grpc": status, "reason": reason}
        for code, status, reason in product(CODES, STATUSES, REASONS)
    ]

    assert [labels for labels in every if meets_any(labels, proxy) and meets_any(labels, backend)] == []


@pytest.mark.parametrize(
    ("grpc", "reason", "expected"),
    [
        ("", "backend", False),  # HTTP
        ("0", "backend", False),
        ("2", "backend", True),
        ("5", "backend", False),
        ("8", "backend", False),
        ("12", "backend", True),
        ("13", "backend", True),
        ("14", "connect_failed", True),
        ("4", "max_stream_duration", True),
        ("2", "other", False),  # a 408 or 413, told to a gRPC client
        ("13", "other", False),  # a 400
        ("12", "no_route", False),  # a 404
        ("14", "client_gone", False),
        ("", "client_gone", False),  # a stream that its client ended
        ("", "upstream_timeout", True),  # one that the proxy ended
    ],
)
def test_a_grpc_answer_fails_by_its_status_and_not_by_its_200(grpc: str, reason: str, expected: bool) -> None:
    assert failed({"code": "200", "grpc": grpc, "reason": reason}) == expected
