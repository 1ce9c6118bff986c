"""A plan in a person's words."""

from runbooks.domain import plan


def test_a_penalty_says_whom_it_holds_to_how_much() -> None:
    patch = {"kind": "penalty", "prefixes": ["192.0.2.0/24", "198.51.100.7/32"], "max_connections": 3}
    assert plan.summary([patch]) == "hold 192.0.2.0/24, 198.51.100.7/32 to 3 connections"
