"""What every page shows of the runbooks: whether they are stopped, and how to stop them."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from runbooks import selectors


def kill_switch(request: HttpRequest) -> dict[str, Any]:
    """`killswitch`, read when a template asks for it."""
    return {"killswitch": SimpleLazyObject(selectors.kill_switch)}
