"""The metrics port over a real Prometheus, through prometheus-api-client.

That library has no timeout, sends a 503 four times, keeps no status in its errors, drops warnings and
leaves values as strings. All of that is settled here, once.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

from telemetry.domain import promql as text
from telemetry.domain.errors import (
    BadQuery,
    ExecutionFailed,
    MetricsError,
    MetricsUnavailable,
    QueryTimeout,
)
from telemetry.domain.loaded import LoadedRule
from telemetry.domain.series import Cost, Sample, Series

log = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0
# The server gives up first, so that its own reason arrives instead of our silence.
CLIENT_GRACE_SECONDS = 0.5
# Texts whose form is kept: those of some rule files.
FORMS_KEPT = 4096
# A request that failed is told at once: the next tick asks again. `read=False` keeps a timeout a timeout.
NO_RETRIES = Retry(total=0, read=False)

# https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview and web/api/v1/api.go
ERRORS: Mapping[str, type[MetricsError]] = {
    "bad_data": BadQuery,
    "execution": ExecutionFailed,
    "timeout": QueryTimeout,
    "canceled": QueryTimeout,
    "unavailable": MetricsUnavailable,
    "internal": MetricsUnavailable,
}


class Prometheus:
    """Asks one Prometheus. `timeout` in seconds bounds the evaluation there and the wait here."""

    def __init__(self, url: str, timeout: float) -> None:
        session = requests.Session()
        session.hooks["response"].append(_check)
        self._timeout, self._session = timeout, session
        self._forms: dict[str, str] = {}
        self._client = PrometheusConnect(url=url.rstrip("/"), session=session, retry=NO_RETRIES)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def vector(self, promql: str, *, at: datetime) -> tuple[Sample, ...]:
        """See `telemetry.ports.Metrics`."""
        result = self._instant(promql, at)
        if len(result) == 2 and not isinstance(result[0], dict):  # a scalar: [time, "value"]
            return (_sample({"metric": {}, "value": result}),)
        return tuple(_sample(row) for row in result)

    def raw(self, selector: str, *, window: timedelta, at: datetime) -> tuple[Series, ...]:
        """See `telemetry.ports.Metrics`."""
        result = self._instant(f"{selector}[{text.duration(window)}]", at)
        # Prometheus 2 includes a sample exactly at the start of the range and Prometheus 3 does not.
        after = round((at - window).timestamp(), 3)
        found = (_series(row) for row in result)
        cut = (Series(s.labels, tuple(p for p in s.points if p[0] > after)) for s in found)
        return tuple(series for series in cut if series.points)

    def matrix(self, promql: str, *, start: datetime, end: datetime, step: timedelta) -> tuple[Series, ...]:
        """See `telemetry.ports.Metrics`."""
        # The library rounds both ends to whole seconds; parameters go over its own.
        exact = {"start": _unix(start), "end": _unix(end)}
        result = self._ask(
            self._client.custom_query_range,
            query=promql,
            start_time=start,
            end_time=end,
            step=f"{step.total_seconds():.3f}",
            params={**exact, **self._server_timeout()},
        )
        return tuple(_series(row) for row in result)

    def cost(self, promql: str, *, at: datetime) -> Cost:
        """See `telemetry.ports.Metrics`. The library drops statistics, so that it is asked without it.

        https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries, `stats=all`
        """
        url = f"{self._client.url}/api/v1/query"
        asked = {"query": promql, "time": _unix(at), "stats": "all", **self._server_timeout()}

        def ask() -> Cost:
            answer = self._session.get(url, params=asked, timeout=self._patience()).json()
            stats = answer["data"]["stats"]
            samples, timings = stats["samples"], stats["timings"]
            return Cost(int(samples["totalQueryableSamples"]), float(timings["evalTotalTime"]))

        cost: Cost = self._reached(ask)
        return cost

    def retention(self) -> timedelta | None:
        """See `telemetry.ports.Metrics`. Prometheus says `15d`, `15d or 1GiB`, or a size alone."""
        said = self._status("runtimeinfo").get("storageRetention", "")
        found = [text.span(part) for part in str(said).split(" or ")]
        return next((span for span in found if span is not None), None)

    def rules(self) -> tuple[LoadedRule, ...]:
        """See `telemetry.ports.Metrics`.

        https://prometheus.io/docs/prometheus/latest/querying/api/#rules
        """
        groups = self._reached(lambda: self._got("rules")["data"]["groups"])
        rules = self._reached(lambda: [_rule(group, rule) for group in groups for rule in group["rules"]])
        return tuple(rules)

    def formatted(self, promql: str) -> str:
        """See `telemetry.ports.Metrics`. Each text is asked of once.

        https://prometheus.io/docs/prometheus/latest/querying/api/#formatting-query-expressions
        """
        if promql not in self._forms:
            url, sent = f"{self._client.url}/api/v1/format_query", {"query": promql}
            answer = self._reached(
                lambda: self._session.post(url, data=sent, timeout=self._patience()).json()["data"]
            )
            if len(self._forms) >= FORMS_KEPT:
                self._forms.clear()
            self._forms[promql] = str(answer)
        return self._forms[promql]

    def _got(self, path: str) -> Any:
        return self._session.get(f"{self._client.url}/api/v1/{path}", timeout=self._patience()).json()

    def _status(self, what: str) -> Mapping[str, Any]:
        """https://prometheus.io/docs/prometheus/latest/querying/api/#runtime-information"""
        answer = self._reached(lambda: self._got(f"status/{what}")["data"])
        if not isinstance(answer, dict):
            raise MetricsUnavailable("not an answer of Prometheus: no mapping")
        return answer

    def _instant(self, promql: str, at: datetime) -> list[Any]:
        params = {"time": _unix(at), **self._server_timeout()}
        return self._ask(self._client.custom_query, query=promql, params=params)

    def _server_timeout(self) -> dict[str, str]:
        return {"timeout": f"{round(self._timeout * 1000)}ms"}

    def _ask(self, call: Any, **arguments: Any) -> list[Any]:
        answer = self._reached(lambda: call(**arguments, timeout=self._patience()))
        if not isinstance(answer, list):
            raise MetricsUnavailable("not an answer of Prometheus: no list of results")
        return answer

    def _patience(self) -> tuple[float, float]:
        return CONNECT_SECONDS, self._timeout + CLIENT_GRACE_SECONDS

    def _reached(self, call: Callable[[], Any]) -> Any:
        """What `call` returns; every way to fail as a MetricsError."""
        try:
            return call()
        except requests.ConnectTimeout as error:
            raise MetricsUnavailable(_unreached(error)) from error
        except requests.Timeout as error:
            raise QueryTimeout(f"Prometheus did not answer in {self._timeout:g} s") from error
        except requests.JSONDecodeError as error:
            raise MetricsUnavailable(f"not an answer of Prometheus: {error}") from error
        except requests.RequestException as error:
            raise MetricsUnavailable(_unreached(error)) from error
        except (KeyError, TypeError) as error:
            raise MetricsUnavailable(f"not an answer of Prometheus: {error!r} is missing") from error


def _unreached(error: requests.RequestException) -> str:
    """Where it was sought and what came of that: pages show it, and the query is no news there."""
    asked = urlsplit(error.request.url) if error.request is not None and error.request.url else None
    where = f" at {asked.netloc}" if asked else ""
    said = re.search(r"\[Errno -?\d+\] ([A-Za-z ]+)", str(error))
    return f"Prometheus cannot be reached{where}: {said[1].lower() if said else type(error).__name__}"


def _check(response: requests.Response, *_: Any, **__: Any) -> None:
    """Map an error once, and keep the warnings, while status and body are still at hand."""
    if response.status_code != requests.codes.ok:
        raise _error(response)
    if b'"warnings"' in response.content or b'"infos"' in response.content:
        body = response.json()
        notes = [*body.get("warnings", ()), *body.get("infos", ())]
        if notes:
            log.warning("Prometheus warns: %s", "; ".join(map(str, notes)))


def _error(response: requests.Response) -> MetricsError:
    try:
        body = response.json()
        kind, message = body["errorType"], body["error"]
    except (json.JSONDecodeError, requests.JSONDecodeError, KeyError, TypeError):
        # No JSON: a proxy in front, or Prometheus that is still replaying its log.
        return MetricsUnavailable(f"HTTP {response.status_code}: {response.text[:200].strip()}")
    return ERRORS.get(kind, MetricsUnavailable)(str(message))


def _unix(at: datetime) -> str:
    return f"{at.timestamp():.3f}"


def _sample(row: Mapping[str, Any]) -> Sample:
    if "value" not in row:
        raise BadQuery("expected an instant vector, got a range vector or a histogram")
    unix, value = row["value"]
    return Sample(labels=row["metric"], value=_number(value), at=text.moment(unix))


def _series(row: Mapping[str, Any]) -> Series:
    if "values" not in row:
        raise BadQuery("expected a range of values, got an instant vector or a histogram")
    points = tuple((float(unix), _number(value)) for unix, value in row["values"])
    return Series(labels=row["metric"], points=points)


def _rule(group: Mapping[str, Any], rule: Mapping[str, Any]) -> LoadedRule:
    return LoadedRule(
        group=group["name"],
        every=timedelta(seconds=group["interval"]),
        kind=rule["type"],
        name=rule["name"],
        query=rule["query"],
        labels=rule.get("labels") or {},
        error=rule.get("lastError") or "",
    )


def _number(value: str) -> float:
    try:
        return text.number(value)
    except ValueError as error:
        raise BadQuery(f"expected a number, got {value!r}") from error
