"""Which requests a route takes: by path, and by conditions on method, header, query, cookie and JWT claim."""

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

from proxy.domain.tier.fields import Declared, Method, Name
from proxy.domain.tier.templates import template

PathKind = Literal["path", "path_template", "safe_regex", "prefix"]
Kind = Literal["exact", "prefix", "suffix", "contains", "safe_regex", "present_match", "bool_match"]

_SPOKEN: dict[Kind, str] = {
    "exact": "is {}",
    "prefix": "begins with {}",
    "suffix": "ends with {}",
    "contains": "contains {}",
    "safe_regex": "matches {}",
    "present_match": "is there",
    "bool_match": "is {}",
}


def _regex(value: str) -> str:
    """Refuses what RE2 cannot run: the engine asked has its limits, no look-around and no back-reference."""
    try:
        SchemaValidator(core_schema.str_schema(pattern=value))
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].strip().removeprefix("error: ")
        raise ValueError(f"not a regular expression that RE2 takes: {reason}") from None
    return value


def _of_paths(value: str) -> str:
    if value[0] not in "/^(.[\\":
        raise ValueError("never matches: a path begins with /, and the expression must match all of it")
    return value


def _path(value: str) -> str:
    if not re.fullmatch(r"/[^?#\s]*", value):
        raise ValueError("a path begins with / and has no ?, # or space")
    return value


def _in_order(value: str) -> str:
    """Refuses what no path is after its slashes, dots and escapes were put in order: a route that guards such
    a path guards nothing.
    """
    if "//" in value or "\\" in value or re.search(r"%2f|%5c", value, re.IGNORECASE):
        raise ValueError("never matches: of several slashes, \\ and escaped ones, one / is made. Write that")
    if re.search(r"/\.\.?(/|$)", value):
        raise ValueError("never matches: the parts . and .. are taken out of paths")
    if escaped := re.search(r"%(?:2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)", value, re.IGNORECASE):
        raise ValueError(f"never matches: for {escaped[0]} write {unquote(escaped[0])}")
    if not value.isascii():
        raise ValueError("never matches: write letters beyond ASCII escaped, é as %C3%A9")
    return value


def _plain(value: str) -> str:
    if found := re.search(r"[*{}]", value):
        raise ValueError(
            f"{found[0]} stands for itself here: the prefix /api takes all below; path_template has variables"
        )
    return value


def _without_underscore(name: str) -> str:
    if "_" in name:
        raise ValueError(
            "has an underscore: a request with such a header is refused, as it may pass for another"
        )
    return name


def _names(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


Text = Annotated[str, Field(min_length=1, max_length=1024)]
Regex = Annotated[Text, AfterValidator(_regex)]
PathText = Annotated[str, AfterValidator(_path), Field(max_length=1024)]
ArrivingPath = Annotated[PathText, AfterValidator(_in_order), AfterValidator(_plain)]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=256)]
HeaderName = Annotated[
    str,
    StringConstraints(pattern=r"^(:authority|[A-Za-z0-9!#$%&'*+.^_`|~-]+)$", max_length=256),
    AfterValidator(str.lower),
    AfterValidator(_without_underscore),
]


ArrivingHeader = Annotated[Token, AfterValidator(str.lower), AfterValidator(_without_underscore)]
"""The name of a header that a request can bear."""


class Compared(Declared):
    """One value and what it is compared with, in Envoy's words: exactly one of them."""

    exact: Text | None = None
    prefix: Text | None = None
    suffix: Text | None = None
    contains: Text | None = None
    safe_regex: Regex | None = None
    present_match: bool | None = None
    ignore_case: bool = False

    @model_validator(mode="after")
    def _one_comparison(self) -> Self:
        kinds = [kind for kind in _SPOKEN if getattr(self, kind, None) is not None]
        if len(kinds) != 1:
            known = ", ".join(kind for kind in _SPOKEN if kind in type(self).model_fields)
            raise ValueError(f"needs exactly one of {known}")
        if self.ignore_case and kinds[0] not in ("exact", "prefix", "suffix", "contains"):
            raise ValueError(
                "ignore_case belongs to exact, prefix, suffix and contains; write (?i) in a regex"
            )
        return self

    @property
    def comparison(self) -> tuple[Kind, Any]:
        """The one comparison and its value."""
        return next((kind, value) for kind in _SPOKEN if (value := getattr(self, kind, None)) is not None)

    @property
    def inverted(self) -> bool:
        """Whether the condition holds where the comparison does not."""
        return bool(getattr(self, "invert_match", False)) != (self.present_match is False)

    def spoken(self, what: str) -> str:
        """`header x-canary is always`."""
        kind, value = self.comparison
        text = str(value).lower() if isinstance(value, bool) else str(value)
        said = _SPOKEN[kind].format(text)
        case = ", in any case" if self.ignore_case else ""
        return f"{what} {'not: ' if self.inverted else ''}{said}{case}"


class Header(Compared):
    """A request header. Inverted, it also takes a request without the header."""

    name: HeaderName
    invert_match: bool = False


class QueryParameter(Compared):
    """A parameter of the query string, as it is written there."""

    name: Text


class Cookie(Compared):
    """One cookie of the request. Inverted, it also takes a request without the cookie."""

    name: Token
    invert_match: bool = False


class Claim(Compared):
    """A claim of a JWT that the provider vouched for; a claim that is a list holds such a value.

    `claim` is a name, or the names that lead to a nested one.
    """

    provider: Name
    claim: Annotated[tuple[Text, ...], BeforeValidator(_names), Field(min_length=1)]
    bool_match: bool | None = None

    @model_validator(mode="after")
    def _never_by_absence(self) -> Self:
        if self.present_match is False:
            raise ValueError("present_match must be true: without a token every claim is absent")
        return self


class Conditions(Declared):
    """What must hold besides the path: all of it."""

    headers: tuple[Header, ...] = ()
    query_parameters: tuple[QueryParameter, ...] = ()
    cookies: tuple[Cookie, ...] = ()
    claims: tuple[Claim, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Each condition as a person says it."""
        return (
            *(item.spoken(f"header {item.name}") for item in self.headers),
            *(item.spoken(f"query {item.name}") for item in self.query_parameters),
            *(item.spoken(f"cookie {item.name}") for item in self.cookies),
            *(item.spoken(f"claim {'.'.join(item.claim)} of {item.provider}") for item in self.claims),
        )

    @property
    def compared(self) -> tuple[tuple[str, Compared], ...]:
        """Each condition with what it looks at."""
        return (
            *((f"header {item.name}", item) for item in self.headers),
            *((f"query {item.name}", item) for item in self.query_parameters),
            *((f"cookie {item.name}", item) for item in self.cookies),
            *((f"claim {item.provider} {item.claim}", item) for item in self.claims),
        )


class Match(Conditions):
    """A path in one of four ways, and the conditions.

    `prefix` takes `/api` and `/api/x` for `/api`, not `/apix`. `path` is the whole path, `path_template` has
    variables (`/orders/{id}/items`), `safe_regex` is RE2 and must match the whole path. None sees the query.
    """

    prefix: ArrivingPath = "/"
    path: ArrivingPath | None = None
    path_template: (
        Annotated[str, AfterValidator(template), AfterValidator(_in_order), Field(max_length=1024)] | None
    ) = None
    safe_regex: Annotated[Regex, AfterValidator(_of_paths)] | None = None
    methods: tuple[Method, ...] = ()

    @model_validator(mode="after")
    def _one_path(self) -> Self:
        others = [self.path, self.path_template, self.safe_regex]
        if sum(other is not None for other in others) + (self.prefix != "/") > 1:
            raise ValueError("takes one of prefix, path, path_template and safe_regex")
        return self

    @property
    def by(self) -> tuple[PathKind, str]:
        """How the path is matched, and by what."""
        if self.path is not None:
            return "path", self.path
        if self.path_template is not None:
            return "path_template", self.path_template
        if self.safe_regex is not None:
            return "safe_regex", self.safe_regex
        return "prefix", self.prefix

    @property
    def path_words(self) -> str:
        """`/api and below`, as a person says it."""
        kind, text = self.by
        if kind == "prefix":
            return "every path" if text == "/" else f"{text} and below"
        return {"path": "{}", "path_template": "like {}", "safe_regex": "matching {}"}[kind].format(text)

    @property
    def words(self) -> tuple[str, ...]:
        methods = ("method " + " or ".join(self.methods),) if self.methods else ()
        return (self.path_words, *methods, *super().words)
