"""Who is told besides the channel of the settings, and who is called when nobody acknowledges: one YAML file.

    receivers:
      second: {slack: "#on-call"}
      desk: {webhook: https://desk.example.org/sluice, secret: desk}
      pager: {pagerduty: pager}
    notify:
      - {to: desk, of: [page, ticket]}
    escalation:
      - {after: 5m, to: second}
      - {after: 15m, to: pager}

`secret` and `pagerduty` are names of secrets, never the secrets.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
)

from alerts.domain.signal import Severity
from outbound import signing

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
LONGEST = timedelta(days=1)
_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}


def _address(url: str) -> str:
    return signing.checked(url)


def _some(given: tuple[Severity, ...]) -> tuple[Severity, ...]:
    if not given:
        raise ValueError("must name page, ticket or both")
    return given


def _duration(text: Any) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smh])", str(text))
    if found is None:
        raise ValueError("must be a duration such as 30s, 5m or 1h")
    length = int(found[1]) * _UNITS[found[2]]
    if not timedelta(0) < length <= LONGEST:
        raise ValueError("must be longer than nothing and at most 24h")
    return length


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Address = Annotated[str, BeforeValidator(_address)]
Channel = Annotated[str, StringConstraints(pattern=r"^(#[^\s#]{1,79}|[CGD][A-Z0-9]{1,79})$")]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Severities = Annotated[tuple[Severity, ...], AfterValidator(_some)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SlackChannel(_Part):
    """Another channel of the same Slack: it takes a bot token."""

    slack: Channel

    @property
    def kind(self) -> str:
        return "slack"

    @property
    def shown(self) -> str:
        return f"Slack {self.slack}"


class Webhook(_Part):
    """A service of one's own: signed with the secret of this name."""

    webhook: Address
    secret: Name

    @property
    def kind(self) -> str:
        return "webhook"

    @property
    def shown(self) -> str:
        return signing.shown(self.webhook)


class PagerDuty(_Part):
    """PagerDuty's Events API v2, or what speaks it: the secret of this name is the integration key."""

    pagerduty: Name
    url: Address = PAGERDUTY

    @property
    def kind(self) -> str:
        return "pagerduty"

    @property
    def shown(self) -> str:
        return signing.shown(self.url)


Receiver = SlackChannel | Webhook | PagerDuty
KINDS: dict[str, type[SlackChannel] | type[Webhook] | type[PagerDuty]] = {
    "slack": SlackChannel,
    "webhook": Webhook,
    "pagerduty": PagerDuty,
}


class Notify(_Part):
    """Told of every incident of these severities at once, and of what becomes of it."""

    to: Name
    of: Severities = ("page",)


class Step(_Part):
    """Called when nobody has acknowledged a page so long after it was told."""

    after: Duration
    to: Name


@dataclass(frozen=True, slots=True)
class Declared:
    """What the file says. `problem` is why it could not be read: then nobody is declared."""

    receivers: Mapping[str, Receiver] = field(default_factory=dict)
    notify: tuple[Notify, ...] = ()
    escalation: tuple[Step, ...] = ()
    problem: str = ""


class BadReceivers(ValueError):
    """The file cannot be; `errors` are (path, what is wrong there and what to do)."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {why}" for path, why in errors))
        self.errors = errors


Errors = list[tuple[str, str]]
Part = TypeVar("Part", bound=_Part)


def read(text: str) -> Declared:
    """The file. Raises BadReceivers with every error and its path."""
    try:
        given = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise BadReceivers([("", f"is no YAML: {' '.join(str(error).split())}")]) from None
    if not isinstance(given, dict):
        raise BadReceivers([("", "must be a mapping of receivers, notify and escalation")])
    errors = [
        (str(name), "is not known here") for name in given.keys() - {"receivers", "notify", "escalation"}
    ]
    receivers = _receivers(given.get("receivers") or {}, errors)
    notify = _parts(Notify, given, "notify", errors)
    escalation = _parts(Step, given, "escalation", errors)
    if not errors:
        _check_names(receivers, notify, escalation, errors)
    if errors:
        raise BadReceivers(errors)
    return Declared(receivers, notify, escalation)


def _receivers(given: Any, errors: Errors) -> dict[str, Receiver]:
    if not isinstance(given, dict):
        errors.append(("receivers", "must be a mapping of names to receivers"))
        return {}
    found: dict[str, Receiver] = {}
    for name, facts in given.items():
        path = f"receivers.{name}"
        kinds = [kind for kind in KINDS if isinstance(facts, dict) and kind in facts]
        if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", str(name)) is None:
            errors.append((path, "must be a name of lower-case letters, digits and hyphens"))
        elif len(kinds) != 1:
            errors.append((path, f"must have exactly one of {', '.join(KINDS)}"))
        else:
            made = _part(KINDS[kinds[0]], facts, path, errors)
            found.update({name: made} if made else {})
    return found


def _parts(kind: type[Part], given: Mapping[str, Any], name: str, errors: Errors) -> tuple[Part, ...]:
    rows = given.get(name) or []
    if not isinstance(rows, list):
        errors.append((name, "must be a list"))
        return ()
    made = [_part(kind, row, f"{name}.{place}", errors) for place, row in enumerate(rows)]
    return tuple(each for each in made if each is not None)


def _part(kind: type[Part], facts: Any, path: str, errors: Errors) -> Part | None:
    try:
        return kind.model_validate(facts)
    except ValidationError as error:
        for each in error.errors():
            place = ".".join([path, *(str(part) for part in each["loc"])])
            errors.append((place, each["msg"].removeprefix("Value error, ")))
        return None


def _check_names(
    receivers: Mapping[str, Receiver],
    notify: tuple[Notify, ...],
    escalation: tuple[Step, ...],
    errors: Errors,
) -> None:
    for name, rows in (("notify", notify), ("escalation", escalation)):
        named = [row.to for row in rows]
        for place, to in enumerate(named):
            if to not in receivers:
                errors.append((f"{name}.{place}.to", f"there is no receiver {to}: add it to receivers"))
            if to in named[:place]:
                errors.append((f"{name}.{place}.to", f"{to} is named twice: each is told once"))
    waits = [step.after for step in escalation]
    if waits != sorted(waits):
        errors.append(("escalation", "must be in the order of after"))
