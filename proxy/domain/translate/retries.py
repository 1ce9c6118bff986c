"""What is retried: only what is safe to send twice, within a budget, on another host."""

from typing import Any

from proxy.domain.tier import Retry, Route, seconds
from proxy.domain.tier.mirrors import IDEMPOTENT_METHODS
from proxy.domain.translate import kinds

RETRIABLE = "x-sluice-retriable"
"""Set inside the proxy on a response that may be retried; never leaves it."""

# retry_on does not hold 5xx or gateway-error unless declared: an application's answer is not the network's
# failure. The exception, a 503 with Retry-After, says itself that another try is welcome; retriable_headers
# cannot join two conditions, hence this.
MARK_RETRIABLE = f"""\
function envoy_on_response(handle)
  local headers = handle:headers()
  headers:remove("{RETRIABLE}")
  if headers:get(":status") == "503" and headers:get("retry-after") ~= nil then
    headers:add("{RETRIABLE}", "1")
  end
end
"""

_AFTER = "retry-after"
IDEMPOTENCY_KEY = "idempotency-key"
_IDEMPOTENT = [
    {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(IDEMPOTENT_METHODS)}}},
    {"name": IDEMPOTENCY_KEY, "present_match": True},
]


def _another_host() -> dict[str, Any]:
    return kinds.extension(
        "envoy.retry_host_predicates.previous_hosts",
        "retry.host.previous_hosts.v3.PreviousHostsPredicate",
    )


def policy(route: Route) -> dict[str, Any]:
    """The retry policy of a route. There is one even without retries: it bears the per-try timeout."""
    limits = _limits(route)
    if not route.retried:
        return {"retry_on": "connect-failure", "num_retries": 0, **limits}
    found: dict[str, Any] = {
        "retry_on": ",".join(_conditions(route.retry)),
        "num_retries": route.retry.attempts,
        **limits,
        **_answers(route.retry),
        "retry_back_off": {
            "base_interval": seconds(route.retry.back_off),
            "max_interval": seconds(max(route.retry.back_off, route.retry.max_back_off)),
        },
        "rate_limited_retry_back_off": {
            "max_interval": seconds(route.timeout),
            "reset_headers": [{"name": "retry-after", "format": "SECONDS"}],
        },
        "retry_host_predicate": [_another_host()],
        "host_selection_retry_max_attempts": 5,
    }
    if route.idempotency == "method":
        found["retriable_request_headers"] = _IDEMPOTENT
    return found


def _limits(route: Route) -> dict[str, Any]:
    idle = route.retry.per_try_idle_timeout
    return {
        "per_try_timeout": seconds(route.per_try_timeout),
        **({"per_try_idle_timeout": seconds(idle)} if idle is not None else {}),
    }


def _conditions(retry: Retry) -> list[str]:
    return ["retriable-headers" if condition == _AFTER else condition for condition in retry.retry_on]


def _answers(retry: Retry) -> dict[str, Any]:
    """The answers that are retried, by a header or by their codes."""
    found: dict[str, Any] = {}
    if _AFTER in retry.retry_on:
        found["retriable_headers"] = [{"name": RETRIABLE, "present_match": True}]
    if retry.retriable_status_codes:
        found["retriable_status_codes"] = list(retry.retriable_status_codes)
    return found
