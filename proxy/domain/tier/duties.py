"""What may be done to the tier: the meaning is the runbooks app's."""

from typing import Literal

from proxy.domain.tier.fields import Declared


class RunbookSetting(Declared):
    """How far a runbook may go by itself on this tier; without a mode as far as every runbook of its kind.

    The runbooks app owns its meaning.
    """

    mode: Literal["observe", "approve", "auto"] | None = None
    policy: dict[str, str | int | float] = {}
