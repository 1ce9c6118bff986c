"""What `manage.py instrument` prints: YAML that Envoy's schema takes, each part by itself, as the golden shows."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from proxy import schema
from proxy.domain.observing.known import MESSAGES
from proxy.domain.translate.instrumenting import PLACES, snippets

GOLDEN = Path(__file__).parent / "observing" / "instrument.yaml"
TYPES = {**MESSAGES, "Router": "envoy.extensions.filters.http.router.v3.Router"}


def printed(into: str | None = None) -> str:
    out = StringIO()
    call_command("instrument", into=into, stdout=out)
    return out.getvalue()


def test_it_prints_what_the_golden_shows(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden", default=False):
        GOLDEN.write_text(printed())
    assert printed() == GOLDEN.read_text()


@pytest.mark.parametrize("place", PLACES)
def test_each_part_by_itself_is_what_the_schema_takes(place: str) -> None:
    part: dict[str, Any] = yaml.safe_load(printed(place))
    assert part == snippets()[place]
    schema.bundled().parse({**part, "@type": f"type.googleapis.com/{TYPES[place]}"})


def test_no_part_needs_another_for_its_anchors() -> None:
    assert not {"&id", "*id"} & {word[:3] for word in printed().split()}
