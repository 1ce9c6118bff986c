"""Two ways to say a retry budget: as the load that it adds, and as Envoy's share of all that is in flight."""


def of_all(percent: float) -> float:
    """Envoy's `budget_percent` for retries of at most `percent` of the first attempts.

    Envoy allows R <= q (F + R) retries beside F first attempts, since retries are in flight as well. For
    R = p F that is q = p / (1 + p): 20 % more load is a share of 16.67 %. Envoy's 20 % would be 25 % more.
    """
    return round(100 * percent / (100 + percent), 6)


def of_firsts(share: float) -> float:
    """The other way round: p = q / (1 - q), to two digits. `share` is below 100."""
    return round(100 * share / (100 - share), 2)
