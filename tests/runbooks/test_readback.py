"""What a configuration dump shows of a patch."""

import pytest

from proxy.domain.patches import apply_patches
from proxy.domain.translate import routes
from runbooks.domain.readback import Reading, read
from tests.proxy.factories import tier

OFF = {"kind": "retry_off", "route": "shop"}


def test_a_route_without_retries_is_as_patched() -> None:
    dump = {"configs": [routes.table(apply_patches(tier(), [OFF]))]}
    assert read(dump, OFF) == Reading("does not retry")


def test_a_route_that_still_retries_contradicts_the_patch() -> None:
    assert read({"configs": [routes.table(tier())]}, OFF) == Reading("retries 2 times", contradicts=True)


@pytest.mark.parametrize("patch", [OFF, {"kind": "retry_budget", "upstream": "shop-v1", "percent": 2}])
def test_what_the_dump_does_not_hold_contradicts_nothing(patch: dict[str, object]) -> None:
    assert read({"configs": []}, patch) == Reading("not shown in the dump")
