"""Reads what is left out of budgets: corrections, and the maintenance windows that were or are on."""

from slo.domain.corrections import Exclusion
from slo.domain.maintenance import occurrences
from slo.domain.spans import Span
from slo.models import Correction, Maintenance


def exclusions(within: Span) -> list[Exclusion]:
    """All that leaves a part of `within` out of some budget. Two queries."""
    corrected = Correction.objects.standing().within(within)
    return [*(Exclusion(row.scope, (row.span,)) for row in corrected), *maintenance(within)]


def maintenance(within: Span) -> list[Exclusion]:
    """The maintenance of `within` alone. One query."""
    begun = Maintenance.objects.begun(within)
    found = (Exclusion(row.scope, occurrences(row.window, within)) for row in begun)
    return [each for each in found if each.spans]
