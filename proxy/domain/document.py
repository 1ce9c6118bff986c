"""From the text of a declaration to tiers: every mistake is found and told with its path in the file."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from proxy.domain.errors import Invalid, Problem
from proxy.domain.tier import RUNBOOKS, Objective, Proxy, Route, Tier, Upstream

M = TypeVar("M", bound=BaseModel)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not the last one wins. `<<: *anchor` is taken."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._flat: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merges `<<`, once a mapping. Its own keys win here: PyYAML leaves both in it, and the mapping that
        merges it in turn would take the first.
        """
        if id(node) not in self._flat:
            self._flat.add(id(node))
            self._refuse_doubles(node)
            super().flatten_mapping(node)
            node.value = list({self._key(pair[0]): pair for pair in node.value}.values())

    def _refuse_doubles(self, node: yaml.MappingNode) -> None:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self._key(key_node)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)

    def _key(self, node: yaml.Node) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a word", node.start_mark)
        return "<<" if node.tag == "tag:yaml.org,2002:merge" else self.construct_object(node, deep=True)


def load(text: str, *, environment: Mapping[str, str]) -> dict[str, Any]:
    """The document of a YAML text, with `${NAME:-default}` in its scalars replaced from `environment`.

    Raises Invalid where the text is no YAML mapping or a variable has neither a value nor a default.
    """
    errors: list[Problem] = []
    try:
        filled = _fill(_read(text), "", environment, errors)
    except RecursionError as error:
        raise Invalid([("", "nested too deeply, or an anchor holds itself")]) from error
    if errors:
        raise Invalid(errors)
    assert isinstance(filled, dict)  # noqa: S101  # a mapping goes in, a mapping comes out
    return filled


def _read(text: str) -> dict[Any, Any]:
    try:
        read = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader with a check for double keys
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: a date that no calendar has
        raise Invalid([("", f"not YAML: {' '.join(str(error).split())}")]) from error
    if not isinstance(read, dict):
        raise Invalid([("", "the file must hold a mapping with the key tiers")])
    return read


def _fill(node: Any, path: str, environment: Mapping[str, str], errors: list[Problem]) -> Any:
    if isinstance(node, dict):
        return {key: _fill(value, _join(path, key), environment, errors) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(item, f"{path}[{index}]", environment, errors) for index, item in enumerate(node)]
    if not isinstance(node, str):
        return node

    def value(match: re.Match[str]) -> str:
        given = environment.get(match[1]) or match[2]
        if given is None:
            errors.append((path, f"the variable {match[1]} is not set and has no default"))
        return given or ""

    return _VARIABLE.sub(value, node)


def parse(document: Mapping[str, Any]) -> tuple[Tier, ...]:
    """The tiers of a document. Raises Invalid with every mistake in it, not only the first."""
    errors: list[Problem] = [(str(key), "unknown key") for key in document if key != "tiers"]
    raw_tiers = document.get("tiers")
    if not isinstance(raw_tiers, list) or not raw_tiers:
        raise Invalid([*errors, ("tiers", "must be a list with at least one tier")])
    for index, raw in enumerate(raw_tiers):
        errors += _tier_problems(raw, f"tiers[{index}]")
    errors += _doubles(((i, _name(raw)) for i, raw in enumerate(raw_tiers)), "tiers[{}].name", "tier")
    if errors:
        raise Invalid(errors)
    return tuple(Tier.model_validate(raw) for raw in raw_tiers)


def problems(tier: Tier) -> list[Problem]:
    """What is wrong with the references inside a tier whose fields are right: empty when all is well."""
    return _tier_problems(tier.document(), tier.name)


def _tier_problems(raw: Any, path: str) -> list[Problem]:
    if not isinstance(raw, dict):
        return [(path, "must be a mapping")]
    errors = []
    try:
        Tier.model_validate(raw)
    except ValidationError as error:
        found = error.errors()
        errors = [(_path(path, item["loc"]), _message(item)) for item in found if not _echo(item, found)]
    return errors + list(_reference_problems(raw, path))


def _echo(item: Any, found: Sequence[Any]) -> bool:
    """Pydantic also calls a list too short when its only item is wrong."""
    return item["type"] == "too_short" and any(
        other is not item and other["loc"][: len(item["loc"])] == item["loc"] for other in found
    )


def _reference_problems(raw: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """References are checked even where other fields are wrong, so that one run shows all mistakes."""
    upstreams = {_name(item) for item in _items(raw, "upstreams")}
    routes = {_name(item) for item in _items(raw, "routes")}
    for section in ("proxies", "upstreams", "routes", "objectives"):
        named = ((i, _name(item)) for i, item in enumerate(_items(raw, section)))
        yield from _doubles(named, f"{path}.{section}[{{}}].name", "name")
    yield from _port_problems(_valid(raw, "proxies", Proxy), path)
    for index, upstream in _valid(raw, "upstreams", Upstream):
        labels = ((i, f"{end.address}:{end.port}") for i, end in enumerate(upstream.endpoints))
        yield from _doubles(labels, f"{path}.upstreams[{index}].endpoints[{{}}]", "endpoint")
    for index, item in enumerate(_items(raw, "routes")):
        for field, name in _arms(item):
            if name not in upstreams:
                yield f"{path}.routes[{index}].{field}", f"there is no upstream {name}"
    yield from _host_problems(_valid(raw, "routes", Route), path)
    for index, objective in _valid(raw, "objectives", Objective):
        if objective.route is not None and objective.route not in routes:
            yield f"{path}.objectives[{index}].route", f"there is no route {objective.route}"
    yield from _runbook_problems(raw, path)


def _runbook_problems(raw: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """A misspelt name would leave a runbook in another mode than its tier says, or a page without one."""
    settings = raw.get("runbooks")
    named = [(f"runbooks.{name}", name) for name in settings] if isinstance(settings, dict) else []
    for index, objective in _valid(raw, "objectives", Objective):
        if objective.runbook:
            named.append((f"objectives[{index}].runbook", objective.runbook))
    for field, name in named:
        if name not in RUNBOOKS:
            yield f"{path}.{field}", f"there is no runbook {name}; there are {', '.join(RUNBOOKS)}"


def _arms(route: Any) -> Iterator[tuple[str, str]]:
    """The upstreams that a route names, each with the field that names it."""
    if not isinstance(route, dict):
        return
    if isinstance(route.get("split"), dict):
        yield from ((f"split.{name}", str(name)) for name in route["split"])
    elif "upstream" in route:
        yield "upstream", str(route["upstream"])


def _host_problems(routes: Sequence[tuple[int, Route]], path: str) -> Iterator[Problem]:
    taken: dict[tuple[str, str, tuple[str, ...]], str] = {}
    for index, route in routes:
        here = f"{path}.routes[{index}]"
        for place, host in enumerate(route.hosts):
            key = (host, route.prefix, route.methods)
            if key in taken:
                yield f"{here}.hosts[{place}]", f"{host}{route.prefix} already goes to route {taken[key]}"
            taken.setdefault(key, route.name)


def _port_problems(proxies: Sequence[tuple[int, Proxy]], path: str) -> Iterator[Problem]:
    taken: dict[tuple[str, int], str] = {}
    for index, proxy in proxies:
        for field in ("http_port", "https_port", "admin_port"):
            key = (proxy.address, getattr(proxy, field))
            if key in taken:
                yield f"{path}.proxies[{index}].{field}", f"port {key[1]} is already {taken[key]}"
            taken.setdefault(key, f"{proxy.name}'s {field}")


def _doubles(named: Iterator[tuple[int, str]], form: str, what: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in named:
        if name and name in seen:
            yield form.format(index), f"the {what} {name} stands twice"
        seen.add(name)


def _valid(raw: Mapping[str, Any], section: str, model: type[M]) -> list[tuple[int, M]]:
    """The items of a section whose own fields are right, with their places."""
    found = []
    for index, item in enumerate(_items(raw, section)):
        try:
            found.append((index, model.model_validate(item)))
        except ValidationError:
            continue
    return found


def _items(raw: Mapping[str, Any], section: str) -> Sequence[Any]:
    items = raw.get(section)
    return items if isinstance(items, list | tuple) else ()


def _name(item: Any) -> str:
    return str(item.get("name", "")) if isinstance(item, dict) else ""


def _path(start: str, location: Sequence[int | str]) -> str:
    path = start
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else _join(path, part)
    return path


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


_PLAIN: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is missing",
    "extra_forbidden": lambda _: "unknown key",
    "string_pattern_mismatch": lambda item: f"{item['input']!r} is not of the form {item['ctx']['pattern']}",
}


def _message(item: Any) -> str:
    plain = _PLAIN.get(item["type"])
    if plain is not None:
        return plain(item)
    text: str = item["msg"].removeprefix("Value error, ")
    given = item["input"]
    return f"{text} (given: {given!r})" if isinstance(given, str | int | float) else text
