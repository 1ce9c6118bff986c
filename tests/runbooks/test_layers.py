"""Whether one layer alone retries, by the declared call graph."""

from planning.domain.amplification import Policy, amplification
from planning.domain.graph import CallGraph
from runbooks.domain.layers import single_layer


def graph(*attempts: int) -> CallGraph:
    """A client, then services one behind the other; each tries so often. The first call goes by edge/shop."""
    names = ("client", "shop", "stock", "database")
    pairs = zip(names, names[1:], attempts, strict=False)
    calls: list[dict[str, object]] = [{"from": one, "to": other, "attempts": n} for one, other, n in pairs]
    calls[0]["route"] = "edge/shop"
    return CallGraph.model_validate({"calls": calls})


def test_three_layers_of_three_attempts_are_27_times_the_load() -> None:
    finding = single_layer(amplification(graph(1, 3, 3), {"edge/shop": Policy(3)}), "edge", "shop")
    assert finding is not None
    assert finding.holds is False
    assert finding.says.startswith("edge/shop and shop and stock all retry: ")
    assert "3 (edge/shop) x 3 (shop) x 3 (stock) is x27 at database" in finding.says
    # The one closest to the client keeps its retries, so that no overlay on this route mends it.
    assert finding.patch is None
    assert finding.declare == "no retries at shop, stock: edge/shop keeps them"


def test_where_the_client_retries_already_the_route_should_not() -> None:
    finding = single_layer(amplification(graph(3, 1), {"edge/shop": Policy(3)}), "edge", "shop")
    assert finding is not None
    assert finding.patch == {"kind": "retry_off", "route": "shop"}


def test_one_layer_that_retries_is_named() -> None:
    finding = single_layer(amplification(graph(1, 1, 1), {"edge/shop": Policy(3)}), "edge", "shop")
    assert finding is not None
    assert (finding.holds, finding.says) == (True, "only edge/shop retries on the declared way to shop")


def test_a_route_that_the_graph_does_not_have_is_not_known_there() -> None:
    assert single_layer(amplification(graph(1, 1), {}), "edge", "payments") is None
