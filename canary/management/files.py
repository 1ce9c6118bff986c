"""What commands read and print: a file or the standard input, and objects for pipelines."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from canary.domain.declared import BadFile


def given_text(name: str) -> str:
    """The text of the file, or of the standard input where the name is `-`. Raises BadFile."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile([(name, str(error))]) from error


def as_object(found: Any, **more: Any) -> str:
    """A row as a JSON object, with `more` fields; a list of rows as an array."""
    if isinstance(found, list):
        return json.dumps([dataclasses.asdict(one) for one in found], cls=DjangoJSONEncoder)
    return json.dumps({**dataclasses.asdict(found), **more}, cls=DjangoJSONEncoder)
