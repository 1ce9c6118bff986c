"""The windows that burn is looked at in, and the alert tiers made of them.

SRE Workbook, chapter 5: an alert fires when a long and a short window both burn faster than a factor.
The factor follows from the share of the budget that may go before somebody is told:
`factor = share x period / long`. Other periods keep the shares and change the factors.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal

Severity = Literal["page", "ticket"]

SHORT = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=1))
MIDDLE = (timedelta(hours=2), timedelta(hours=6))
LONG = (timedelta(days=1), timedelta(days=3))
DEFAULT_PERIOD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class AlertTier:
    """Two windows and the share (0 to 1) of the period's budget that is gone when it fires."""

    name: str
    severity: Severity
    long: timedelta
    short: timedelta
    share: Decimal

    def factor(self, period: timedelta) -> Decimal:
        """How many times faster than the budget allows over `period`: 14.4 for 2 % of 30 days in an hour."""
        return self.share * seconds(period) / seconds(self.long)


PAGE_FAST = AlertTier("page-fast", "page", timedelta(hours=1), timedelta(minutes=5), Decimal("0.02"))
PAGE_SLOW = AlertTier("page-slow", "page", timedelta(hours=6), timedelta(minutes=30), Decimal("0.05"))
TICKET_FAST = AlertTier("ticket-fast", "ticket", timedelta(days=1), timedelta(hours=2), Decimal("0.10"))
TICKET_SLOW = AlertTier("ticket-slow", "ticket", timedelta(days=3), timedelta(hours=6), Decimal("0.10"))
TIERS = (PAGE_FAST, PAGE_SLOW, TICKET_FAST, TICKET_SLOW)


@lru_cache
def seconds(window: timedelta) -> Decimal:
    """The window in seconds, exactly."""
    return Decimal(window // timedelta(microseconds=1)) / 1_000_000
