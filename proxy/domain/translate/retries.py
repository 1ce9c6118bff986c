"""What is retried: only what is safe to send twice, within a budget, on another host."""

from typing import Any

from proxy.domain.tier import Route, seconds
from proxy.domain.translate import kinds

RETRIABLE = "x-sluice-retriable"
"""Set inside the proxy on a response that may be retried; never leaves it."""

# retry_on never holds 5xx or gateway-error: an application's answer is not the network's failure. The
# exception, a 503 with Retry-After, says itself that another try is welcome; retriable_headers cannot join
# two conditions, hence this.
MARK_RETRIABLE = f"""\
function envoy_on_response(handle)
  local headers = handle:headers()
  headers:remove("{RETRIABLE}")
  if headers:get(":status") == "503" and headers:get("retry-after") ~= nil then
    headers:add("{RETRIABLE}", "1")
  end
end
"""

_RETRY_ON = "connect-failure,refused-stream,reset-before-request,reset,retriable-headers"
_IDEMPOTENT = [
    {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD|PUT|DELETE|OPTIONS|TRACE"}}},
    {"name": "idempotency-key", "present_match": True},
]
_ANOTHER_HOST = kinds.extension(
    "envoy.retry_host_predicates.previous_hosts",
    "retry.host.previous_hosts.v3.PreviousHostsPredicate",
)


def policy(route: Route) -> dict[str, Any]:
    """The retry policy of a route. There is one even without retries: it bears the per-try timeout."""
    if route.retry.attempts == 0 or route.idempotency == "never":
        return {
            "retry_on": "connect-failure",
            "num_retries": 0,
            "per_try_timeout": seconds(route.per_try_timeout),
        }
    found: dict[str, Any] = {
        "retry_on": _RETRY_ON,
        "num_retries": route.retry.attempts,
        "per_try_timeout": seconds(route.per_try_timeout),
        "retriable_headers": [{"name": RETRIABLE, "present_match": True}],
        "retry_back_off": {
            "base_interval": seconds(route.retry.back_off),
            "max_interval": seconds(max(route.retry.back_off, route.retry.max_back_off)),
        },
        "rate_limited_retry_back_off": {
            "max_interval": seconds(route.timeout),
            "reset_headers": [{"name": "retry-after", "format": "SECONDS"}],
        },
        "retry_host_predicate": [_ANOTHER_HOST],
        "host_selection_retry_max_attempts": 5,
    }
    if route.idempotency == "method":
        found["retriable_request_headers"] = _IDEMPOTENT
    return found
