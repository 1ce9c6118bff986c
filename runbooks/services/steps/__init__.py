"""The kinds of steps that a remedy may have, by the word that declares them: `contract` says what a kind is.

A kind is a model in `domain.steps.KINDS`, and here a value in one of the two registries.
"""

from runbooks.services.steps.ask import Ask
from runbooks.services.steps.contract import Kind, Overlaying
from runbooks.services.steps.drain_endpoint import DrainEndpoint
from runbooks.services.steps.overlay import Overlay
from runbooks.services.steps.rollback_rollout import RollbackRollout
from runbooks.services.steps.scale import Scale
from runbooks.services.steps.tell import Tell
from runbooks.services.steps.webhook import Webhook

OVERLAYING: dict[str, Overlaying] = {"overlay": Overlay(), "drain_endpoint": DrainEndpoint()}
KINDS: dict[str, Kind] = {
    "rollback_rollout": RollbackRollout(),
    "webhook": Webhook(),
    "scale": Scale(),
    "ask": Ask(),
    "tell": Tell(),
}
