"""The machine's part of a runbook, as data: what it measures, what it takes for the symptom, what it does.

It stands in the front matter of the runbook's text, so that people and the machine read one document. A run
keeps the definition that it began with.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from proxy.domain.checks import NAMES
from proxy.domain.errors import Problem
from runbooks.domain.conditions import All, Any_, Comparison, Condition, Part, comparisons
from runbooks.domain.policy import SETTINGS, Policy
from runbooks.domain.signals import Queried, Signal, parts
from runbooks.domain.steps import Step, placeholders

Scope = Literal["route", "upstream", "tier"]
Originator = Literal["proxy", "backend", "both", "unknown"]
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_SAID = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")
# What stands for something in every remedy of a scope, besides thresholds and `names.<signal>`.
KNOWN: dict[str, frozenset[str]] = {
    "route": frozenset({"tier", "route"}),
    "upstream": frozenset({"tier", "upstream"}),
    "tier": frozenset({"tier"}),
}


class BadDefinition(ValueError):
    """The machine's part of a runbook is not one: a line for each mistake, with its path."""


class Unless(Part):
    """Another cause that looks alike: where `when` is true, it is not this runbook's, for the reason told."""

    when: Condition
    because: str


class Choice(Part):
    """The remedy where a check was found to hold, or not; or where `when` is true of figures."""

    check: str = ""
    holds: bool = False
    when: Condition | None = None
    remedy: str

    @model_validator(mode="after")
    def _one_reason(self) -> "Choice":
        if bool(self.check) == (self.when is not None):
            raise ValueError("give a check, or when")
        return self


class Remedy(Part):
    """What is done, in steps. `did` says it of the present: "retries are off".

    `felt` is what of clients' requests the symptom that stays is a share of: without retries a failed first
    attempt is a failed request.
    """

    did: str
    steps: tuple[Step, ...] = Field(min_length=1)
    felt: str = "requests"


class Says(Part):
    """Sentences with `{signal}` for its figure, `{about.signal}` for it without decimals, and `{name.signal}`
    for its heaviest series.

    `healthy` and `unhealthy` say what is left while the remedy holds; `relief` what it took away, and `felt`
    what clients feel of the rest, with `{felt}` from the remedy.
    """

    present: str
    calm: str
    too_little: str = "too little traffic to judge by"
    healthy: str
    unhealthy: str
    worse: str = "it got worse"
    relief: str
    felt: str


class Definition(Part):
    """The machine's part: its shape. What its names stand for, `misnamed` looks at."""

    title: str
    severity: Literal["page", "ticket"] = "page"
    cause: str
    scope: Scope = "route"
    # Whose fault it is where `blamed` holds; else nobody knows. `culprit` is the signal that names it.
    originator: Originator = "unknown"
    blamed: Condition | None = None
    culprit: str = ""
    thresholds: dict[str, float] = Field(default_factory=dict)
    signals: dict[str, Signal] = Field(min_length=1)
    # The signals that people are shown, in this order; by default all.
    shows: tuple[str, ...] = ()
    # Without this there is too little to judge by, which is no data.
    enough: Condition
    symptom: Condition
    unless: tuple[Unless, ...] = ()
    # The symptom is gone after the remedy; by default: it is no longer seen.
    worked: Condition | None = None
    # What the remedy may not make worse, against what was measured when it was decided.
    worse: Condition | None = None
    # It is over, and may be taken back, when this has held for the quiet time.
    over: Condition
    # What is looked up in the tier, as declared and as run, when a run decides: evidence, perhaps a choice.
    checks: tuple[str, ...] = ()
    choose: tuple[Choice, ...] = ()
    remedies: dict[str, Remedy] = Field(min_length=1)
    remedy: str
    says: Says

    @property
    def shown(self) -> tuple[str, ...]:
        """The signals that people are shown, in their order."""
        return self.shows or tuple(self.signals)

    @property
    def policy(self) -> Policy:
        """The policy that every setting of this runbook is laid over."""
        return Policy(thresholds=self.thresholds, remedy=self.remedy, remedies=tuple(self.remedies))


def definition_from(data: Mapping[str, Any]) -> Definition:
    """The definition that the data declares. Raises BadDefinition."""
    try:
        made = Definition.model_validate(data)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise BadDefinition("\n".join(lines)) from error
    wrong = [f"{path}: {why}" for path, why in misnamed(made)]
    if wrong:
        raise BadDefinition("\n".join(wrong))
    return made


def as_text(definition: Definition) -> str:
    """The snapshot that a run keeps: JSON that `definition_from` takes back."""
    return definition.model_dump_json(exclude_unset=True)


def misnamed(definition: Definition) -> Iterator[Problem]:
    """Every name in it that stands for nothing, or for two things."""
    for section in ("signals", "thresholds", "remedies"):
        for name in getattr(definition, section):
            if not _NAME.match(name):
                yield f"{section}.{name}", "is no name: lower case letters, digits and _"
    for name in sorted(set(definition.thresholds) & set(SETTINGS)):
        yield f"thresholds.{name}", "every runbook has a setting of this name: take another"
    if definition.remedy not in definition.remedies:
        yield "remedy", f"is one of {', '.join(definition.remedies)}"
    yield from _in_signals(definition)
    yield from _in_checks(definition)
    for path, condition in _conditions(definition):
        yield from _in_condition(definition, path, condition)
    yield from _in_steps(definition)
    yield from _in_sentences(definition)


def _in_signals(definition: Definition) -> Iterator[Problem]:
    before: set[str] = set()
    for name, signal in definition.signals.items():
        for part in parts(signal):
            if part not in before:
                yield f"signals.{name}", f"is made of {part}, which no signal before it is"
        before.add(name)
    for path, name in (
        *((f"shows[{i}]", name) for i, name in enumerate(definition.shows)),
        ("culprit", definition.culprit),
    ):
        if name and name not in before:
            yield path, f"there is no signal {name}"
    if definition.culprit and definition.culprit not in naming(definition):
        yield "culprit", f"signal {definition.culprit} has no `names`"


def _in_checks(definition: Definition) -> Iterator[Problem]:
    for place, name in enumerate(definition.checks):
        if name not in NAMES:
            yield f"checks[{place}]", f"there is no check {name}; there are {', '.join(NAMES)}"
    for place, choice in enumerate(definition.choose):
        if choice.check and choice.check not in definition.checks:
            yield f"choose[{place}].check", f"{choice.check} is none of the runbook's checks"
        if choice.remedy not in definition.remedies:
            yield f"choose[{place}].remedy", f"is one of {', '.join(definition.remedies)}"


def _conditions(definition: Definition) -> Iterator[tuple[str, Comparison | All | Any_]]:
    for path in ("blamed", "enough", "symptom", "worked", "worse", "over"):
        condition = getattr(definition, path)
        if condition is not None:
            yield path, condition
    yield from ((f"unless[{i}].when", each.when) for i, each in enumerate(definition.unless))
    for place, choice in enumerate(definition.choose):
        if choice.when is not None:
            yield f"choose[{place}].when", choice.when


def _in_condition(definition: Definition, path: str, condition: Comparison | All | Any_) -> Iterator[Problem]:
    for place, comparison in comparisons(condition, path):
        word, bound = comparison.bound
        if comparison.signal not in definition.signals:
            yield f"{place}.signal", f"there is no signal {comparison.signal}"
        if isinstance(bound, str) and bound not in definition.thresholds:
            yield f"{place}.{word}", f"there is no threshold {bound}"


def _in_steps(definition: Definition) -> Iterator[Problem]:
    known = known_to(definition)
    for name, remedy in definition.remedies.items():
        for place, step in enumerate(remedy.steps):
            each = {"upstream"} if getattr(step, "each", "") == "upstream" else set()
            for unknown in sorted(placeholders(step.model_dump()) - known - each):
                yield f"remedies.{name}.steps[{place}]", f"${unknown} stands for nothing"


def known_to(definition: Definition) -> frozenset[str]:
    """What stands for something in every step of its remedies."""
    names = {f"names.{name}" for name in naming(definition)}
    return KNOWN[definition.scope] | set(definition.thresholds) | names


def naming(definition: Definition) -> tuple[str, ...]:
    """The signals whose heaviest series are told."""
    signals = definition.signals.items()
    return tuple(name for name, signal in signals if isinstance(signal, Queried) and signal.names)


def _in_sentences(definition: Definition) -> Iterator[Problem]:
    known = {"felt", *definition.signals, *(f"about.{name}" for name in definition.signals)}
    known |= {f"name.{name}" for name in naming(definition)}
    sentences = {f"says.{name}": str(text) for name, text in definition.says.model_dump().items()}
    sentences |= {f"unless[{i}].because": each.because for i, each in enumerate(definition.unless)}
    for path, sentence in sentences.items():
        for word in _SAID.findall(sentence):
            if word not in known:
                yield path, f"{{{word}}} stands for nothing"


def said(sentence: str, figures: Mapping[str, str]) -> str:
    """The sentence with its figures; what is not known is said to be unknown."""
    return _SAID.sub(lambda found: figures.get(found[1], "unknown"), sentence)
