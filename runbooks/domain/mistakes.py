"""Every mistake in a runbook that a team wrote, each with its place in the file and what to do."""

import copy
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from proxy.domain import patches
from proxy.domain.document import worded
from proxy.domain.errors import Invalid, Problem
from runbooks.domain.conditions import Part
from runbooks.domain.definition import Definition, as_text, known_to, misnamed
from runbooks.domain.kinds import (
    AskStep,
    DrainEndpointStep,
    OverlayStep,
    ScaleStep,
    TellStep,
    words_in,
)
from runbooks.domain.policy import SETTINGS, BadPolicy, Policy, policy
from runbooks.domain.steps import KINDS, AnyStep, placeholders
from runbooks.domain.writing import SLUG, TAKEN, Written

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
# What pydantic puts into a place for the branch of a union that it took: no part of the file.
BRANCHES = frozenset({"query", "ratio", "total", "comparison", "all", "any", *KINDS})
# A runbook may be careful with what all of them share, not careless: a tier sets these for itself.
OF_ALL = frozenset({"actions_in_all", "left_out"})
NOT_ITS_OWN = "is shared by all runbooks: set it on a tier, not in a runbook's text"
FOREVER = timedelta(days=365)
OVERLAYING = (OverlayStep, DrainEndpointStep)


class ForPeople(Part):
    """What every text has."""

    title: Words
    summary: Words
    severity: Literal["page", "ticket"]
    owner: Words
    policy: dict[str, Any] = Field(default_factory=dict)


def of(written: Written) -> list[Problem]:
    """All of them; none for a runbook that can be taken in."""
    people = {name: value for name, value in written.front.items() if name in ForPeople.model_fields}
    machine = {name: value for name, value in written.front.items() if name not in people}
    found = [*_slug(written.slug), *_shape(ForPeople, people)]
    found += [] if written.body else [("text", "is missing: say what a person is to do at 3 am")]
    if machine:
        found += _machine({**machine, **{name: people.get(name) for name in ("title", "severity")}})
    base = _base(machine)
    given = people.get("policy", {})
    if isinstance(given, Mapping):
        found += _policy(given, base)
    return list(dict.fromkeys(found))


def _slug(slug: str) -> Iterator[Problem]:
    if not SLUG.match(slug):
        yield "slug", f"{slug!r} is no name: lower case letters, digits and -"
    if slug in TAKEN:
        yield "slug", f"{slug} is a word of the command line: take another name"


def _machine(machine: Mapping[str, Any]) -> Iterator[Problem]:
    """Of the machine's part: its shape, and names that stand for nothing."""
    # These two are the people's, and told there.
    theirs = ("title", "severity")
    yield from (problem for problem in _shape(Definition, machine) if problem[0] not in theirs)
    definition = _readable({**machine, "title": "-", "severity": "page"})
    if definition is not None:
        yield from misnamed(definition)
        yield from _steps(definition)
        yield from _unkept(definition)


def _unkept(definition: Definition) -> Iterator[Problem]:
    """What a run could not keep, since its snapshot is JSON: a run that cannot be read is never judged."""
    kept = _kept(definition)
    if kept == definition:
        return
    place, why = "", "a run cannot keep it as JSON: write no infinity, no date, and names that are text"
    for name, remedy in definition.remedies.items():
        for number, step in enumerate(remedy.steps):
            if kept is None or kept.remedies[name].steps[number] != step:
                place = place or f"remedies.{name}.steps[{number}]"
    yield place, why


def _kept(definition: Definition) -> Definition | None:
    try:
        return Definition.model_validate_json(as_text(definition))
    except ValueError:
        return None


def _readable(machine: Mapping[str, Any]) -> Definition | None:
    """The machine's part without what is wrong in it, where all of that may be left out; else None."""
    rest = copy.deepcopy(dict(machine))
    while True:
        try:
            return Definition.model_validate(rest)
        except ValidationError as error:
            wrong = [keys_of(rest, item["loc"]) for item in error.errors()]
            if any(item["type"] == "missing" for item in error.errors()) or not all(
                _taken_out(rest, keys) for keys in wrong
            ):
                return None


def _taken_out(rest: Any, keys: Sequence[int | str]) -> bool:
    """Whether there was a named value at this place, which is no longer there."""
    node = rest
    try:
        for key in keys[:-1]:
            node = node[key]
        if not isinstance(node, dict):
            return False
        del node[keys[-1]]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _steps(definition: Definition) -> Iterator[Problem]:
    known = known_to(definition)
    for name, remedy in definition.remedies.items():
        placed = [(f"remedies.{name}.steps[{number}]", step) for number, step in enumerate(remedy.steps)]
        for path, step in placed:
            yield from ((f"{path}.{field}", why) for field, why in _of_step(definition, step, known))
        yield from _apart(placed)


def _of_step(definition: Definition, step: AnyStep, known: Collection[str]) -> Iterator[Problem]:
    match step:
        case OverlayStep():
            yield from _patch(step.patch)
        case ScaleStep():
            for field, signal in (("instances", step.instances), ("load", step.load)):
                if signal not in definition.signals:
                    yield field, f"there is no signal {signal}"
        case TellStep() | AskStep():
            yield from (("text", f"${word} stands for nothing") for word in words_in(step.text) - {*known})


def _apart(placed: Sequence[tuple[str, AnyStep]]) -> Iterator[Problem]:
    """Overlays are laid together: one that stands behind another step would not wait for it."""
    overlays = [number for number, (_, step) in enumerate(placed) if isinstance(step, OVERLAYING)]
    for before, number in itertools.pairwise(overlays):
        if number != before + 1:
            yield placed[number][0], "overlays are laid together: let them follow one another"


def _patch(patch: Mapping[str, Any]) -> Iterator[Problem]:
    """Overlays that no tier could have, whatever stands for their placeholders."""
    try:
        patches.parse(patch)
    except Invalid as error:
        for path, why in error.errors:
            field = path.removeprefix(str(patch.get("kind"))).lstrip(".")
            if not placeholders(patch.get(field.partition(".")[0])):
                yield f"patch.{field or 'kind'}", why


def _policy(given: Mapping[str, Any], base: Policy) -> Iterator[Problem]:
    wrong = [(f"policy.{name}", NOT_ITS_OWN) for name in given if name in OF_ALL]
    for name, value in given.items():
        try:
            # One setting by itself is not held against the others.
            policy({name: value}, replace(base, cooldown=FOREVER))
        except BadPolicy as error:
            wrong.append((f"policy.{name}", str(error)))
    yield from wrong
    if not wrong:
        try:
            policy(given, base)
        except BadPolicy as error:
            yield "policy", str(error)


def _base(machine: Mapping[str, Any]) -> Policy:
    """What the policy is laid over, as far as the machine's part can be read."""
    thresholds = machine.get("thresholds")
    known = thresholds if isinstance(thresholds, Mapping) else {}
    return Policy(thresholds={str(name): 0.0 for name in known if name not in SETTINGS})


def _shape(model: type[BaseModel], given: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        model.model_validate(given)
    except ValidationError as error:
        for item in error.errors():
            yield place(given, item["loc"]), worded(item)


def place(given: Any, location: Sequence[int | str]) -> str:
    """Pydantic's location as a path in what was written: `symptom.all[0].signal`."""
    parts = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys_of(given, location))
    return "".join(parts).removeprefix(".")


def keys_of(given: Any, location: Sequence[int | str]) -> list[int | str]:
    """Pydantic's location as the keys that lead there in what was written."""
    keys, node = list[int | str](), given
    for part, after in zip(location, (*location[1:], None), strict=True):
        if part in BRANCHES and _is_branch(node, part, after):
            continue
        keys.append(part)
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            node = None
    return keys


def _is_branch(node: Any, part: int | str, after: int | str | None) -> bool:
    """Whether the part names no key here: none is there, or what stands under it has no such part."""
    if not isinstance(node, Mapping) or part not in node:
        return True
    if after is None:
        return False
    return not isinstance(node[part], list if isinstance(after, int) else Mapping)
