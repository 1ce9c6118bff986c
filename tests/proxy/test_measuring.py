"""Which labels the loggers write in which tier."""

from typing import Any

from proxy.domain.translate import measuring
from tests.proxy.factories import declaration, tier


def tags(loggers: list[dict[str, Any]], stat: str) -> list[list[str]]:
    """The names of the tags of each counter or histogram of this name."""
    told = [logger["typed_config"] for logger in loggers]
    stats = [each["stat"] for one in told for each in (*one.get("counters", ()), *one.get("histograms", ()))]
    return [[tag["name"] for tag in each["tags"]] for each in stats if each["name"] == stat]


def test_a_label_that_no_request_could_fill_is_not_written() -> None:
    plain = {"name": "plain", "hosts": ["plain.test"], "upstream": "payments"}
    given = tier(routes=[plain])
    requests = measuring.request_logs(given)
    assert tags(requests, "rq")[0] == ["route", "arm", "code", "reason"]
    assert tags(requests, "added_us") == [["route", "attempts"]]
    assert tags(measuring.attempt_logs(given), "attempt") == [["route", "arm", "attempt", "code", "flags"]]


def test_grpc_arms_and_a_split_have_their_labels() -> None:
    arm = {"upstream": "shop-v2", "match": {"headers": [{"name": "x-canary", "exact": "always"}]}}
    split = {"name": "shop", "hosts": ["shop.test"], "split": {"shop-v1": 10000, "shop-v2": 0}, "arms": [arm]}
    calls = {"name": "greeter", "protocol": "http2", "endpoints": [{"port": 11005}]}
    given = tier(upstreams=[*declaration()["upstreams"], calls], routes=[split])
    answered, unanswered = tags(measuring.request_logs(given), "rq")
    assert answered == ["route", "arm", "code", "reason", "grpc", "chosen"]
    assert {"grpc", "chosen", "flags", "attempts"} < set(unanswered)
    assert tags(measuring.request_logs(given), "total_us") == [["route", "arm", "chosen"]]
    (attempt,) = tags(measuring.attempt_logs(given), "attempt")
    assert {"grpc", "chosen"} < set(attempt)
