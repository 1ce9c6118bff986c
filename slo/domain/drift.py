"""What Prometheus runs against what it should run."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta

import yaml

from telemetry.domain.loaded import LoadedRule
from telemetry.domain.promql import equal, span

# Groups of this name are ours, in whichever file.
OURS = "sluice-"

Key = tuple[str, str, str, str]
Format = Callable[[str], str]
"""Makes one text of all PromQL that means the same."""


def wanted(text: str) -> tuple[LoadedRule, ...]:
    """The rules of a rule file, as Prometheus should say that it runs them."""
    return tuple(
        LoadedRule(
            group=group["name"],
            every=span(group["interval"]) or timedelta(),
            kind="alerting" if "alert" in rule else "recording",
            name=rule.get("alert") or rule["record"],
            query=rule["expr"],
            labels=rule.get("labels", {}),
        )
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
    )


def differences(text: str, loaded: Iterable[LoadedRule], form: Format) -> list[str]:
    """How the rules of our groups differ from those of the file `text`; nothing when they are the same.

    Names, labels and expressions, whatever their spelling; missing ones, and others in our groups; how often
    a group is evaluated.
    """
    want, have = wanted(text), [rule for rule in loaded if rule.group.startswith(OURS)]
    return [*_intervals(want, have), *_rules(_by_key(want), _by_key(have), form)]


def failing(loaded: Iterable[LoadedRule]) -> list[str]:
    """The rules of our groups whose last evaluation failed, and why."""
    return [f"{_said(_key(rule))} fails: {rule.error}" for rule in loaded if _fails(rule)]


def _fails(rule: LoadedRule) -> bool:
    return bool(rule.error) and rule.group.startswith(OURS)


def _intervals(want: Iterable[LoadedRule], have: Iterable[LoadedRule]) -> Iterator[str]:
    every = {rule.group: rule.every for rule in want}
    for group, found in sorted({(rule.group, rule.every) for rule in have}):
        if group in every and found != every[group]:
            yield f"{group} is evaluated each {found}, and should be each {every[group]}"


def _rules(want: Mapping[Key, list[str]], have: Mapping[Key, list[str]], form: Format) -> Iterator[str]:
    for key in sorted({*want, *have}):
        should, does = (Counter(form(query) for query in queries.get(key, ())) for queries in (want, have))
        lacks, other = list((should - does).elements()), list((does - should).elements())
        if lacks and other:
            yield f"{_said(key)} has another expression: {_flat(other[0])}"
        elif lacks:
            yield f"{_said(key)} is missing"
        elif other:
            yield f"{_said(key)} is there besides"


def _by_key(rules: Iterable[LoadedRule]) -> dict[Key, list[str]]:
    found: dict[Key, list[str]] = defaultdict(list)
    for rule in rules:
        found[_key(rule)].append(rule.query)
    return found


def _key(rule: LoadedRule) -> Key:
    labels = ",".join(equal(label, value) for label, value in sorted(rule.labels.items()))
    return rule.group, rule.kind, rule.name, labels


def _said(key: Key) -> str:
    group, _, name, labels = key
    return f"{group}: {name}" + (f"{{{labels}}}" if labels else "")


def _flat(promql: str, longest: int = 120) -> str:
    line = " ".join(promql.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
