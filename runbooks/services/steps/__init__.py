"""The kinds of steps that a remedy may have, by the word that declares them: `contract` says what a kind is.

A kind is a model in `domain.steps.KINDS`, and here a value in one of the two registries.
"""

from runbooks.services.steps.contract import Kind, Overlaying
from runbooks.services.steps.overlay import Overlay

OVERLAYING: dict[str, Overlaying] = {"overlay": Overlay()}
KINDS: dict[str, Kind] = {}
