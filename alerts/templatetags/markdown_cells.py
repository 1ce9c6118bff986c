"""Text of others inside Markdown: it must not break a table or begin a structure of its own."""

import re
from typing import Any

from django import template

register = template.Library()


@register.filter
def oneline(value: Any) -> str:
    """Text in one line, with what Markdown or HTML could take for its own escaped."""
    text = " ".join(str(value).split())
    return re.sub(r"([\\`*_\[\]<>#])", r"\\\1", text)


@register.filter
def cell(value: Any) -> str:
    """The same for a table's cell."""
    return oneline(value).replace("|", r"\|")
