"""Outlier detection: which endpoints are left out for a while, and how many at most."""

from typing import Any

from proxy.domain.tier import OutlierDetection, seconds
from proxy.domain.tier.upstreams import FailurePercentage, SuccessRate


def outlier_detection(settings: OutlierDetection) -> dict[str, Any]:
    """Only failures in a row eject unless a rate is declared: a rate of failures is for the judge, and an
    ejection would hide it from the judge.

    A 500 is an application's answer, so that it never counts as a failure in a row. Not split, a timeout
    counts as a 504 and so do failures to connect; split, they are counted by themselves.
    """
    split = settings.split_external_local_origin_errors
    return {
        "interval": seconds(settings.interval),
        "base_ejection_time": seconds(settings.base_ejection_time),
        "max_ejection_time": seconds(settings.max_ejection_time),
        **_jitter(settings),
        "max_ejection_percent": settings.max_ejection_percent,
        "split_external_local_origin_errors": split,
        "consecutive_5xx": 0,
        "enforcing_consecutive_5xx": 0,
        "consecutive_gateway_failure": settings.consecutive_failures,
        "enforcing_consecutive_gateway_failure": 100,
        **(_local_origin(settings) if split else {}),
        **_success_rate(settings.success_rate, split=split),
        **(_failure_percentage(settings.failure_percentage, split=split)),
    }


def _jitter(settings: OutlierDetection) -> dict[str, Any]:
    if settings.max_ejection_time_jitter is None:
        return {}
    return {"max_ejection_time_jitter": seconds(settings.max_ejection_time_jitter)}


def _local_origin(settings: OutlierDetection) -> dict[str, Any]:
    return {
        "consecutive_local_origin_failure": settings.consecutive_failures,
        "enforcing_consecutive_local_origin_failure": 100,
    }


def _success_rate(rate: SuccessRate | None, *, split: bool) -> dict[str, Any]:
    """Envoy enforces it unless told not to, and its factor is in thousandths."""
    if rate is None:
        return {"enforcing_success_rate": 0, **({"enforcing_local_origin_success_rate": 0} if split else {})}
    return {
        "success_rate_minimum_hosts": rate.minimum_hosts,
        "success_rate_request_volume": rate.request_volume,
        "success_rate_stdev_factor": round(rate.stdev_factor * 1000),
        "enforcing_success_rate": 100,
        **({"enforcing_local_origin_success_rate": 100} if split else {}),
    }


def _failure_percentage(rate: FailurePercentage | None, *, split: bool) -> dict[str, Any]:
    """Envoy enforces none of it unless told to."""
    if rate is None:
        return {}
    return {
        "failure_percentage_threshold": rate.threshold,
        "failure_percentage_minimum_hosts": rate.minimum_hosts,
        "failure_percentage_request_volume": rate.request_volume,
        "enforcing_failure_percentage": 100,
        **({"enforcing_failure_percentage_local_origin": 100} if split else {}),
    }
