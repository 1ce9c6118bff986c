"""Reading what was published before: a rule that came later takes nothing from a tier that runs.

What a revision says must be understood to the letter, but need not be allowed any more. A value of the right
type that a rule refuses is read and told. A key that is not known, or a value of another type, may be a
demand that must not be missing: a tier with one is not understood, and is not to be served.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError

from proxy.domain.document import worded
from proxy.domain.errors import Problem
from proxy.domain.tier import Tier

_NOTHING = object()
_NOT_SERVED = ("objectives", "runbooks")
"""No proxy hears of these."""
_EMPTY: tuple[Any, ...] = (None, "", [], {})
"""With one of these, a key that is not known says nothing."""


@dataclass(frozen=True, slots=True)
class Read:
    """`refused` is what a new declaration would be refused for, `unread` what cannot be understood: the tier
    is what is left without that.
    """

    tier: Tier
    refused: tuple[Problem, ...] = ()
    unread: tuple[Problem, ...] = ()

    @property
    def servable(self) -> bool:
        """Whether all is understood that proxies are given."""
        return all(path.startswith(_NOT_SERVED) for path, _ in self.unread)


def read(name: str, document: object) -> Read:
    """The tier of this name from the document of a revision."""
    reader = _Reader()
    found = reader.read(Tier, document, "")
    if not isinstance(found, Tier):
        found = Tier.model_construct(name=name, proxies=())
    return Read(found, tuple(reader.refused), tuple(reader.unread))


@dataclass(slots=True)
class _Reader:
    refused: list[Problem] = field(default_factory=list)
    unread: list[Problem] = field(default_factory=list)

    def read(self, kind: Any, raw: Any, path: str) -> Any:
        """The value of this type, or _NOTHING where there is none; what is wrong with it is noted."""
        try:
            return _strictly(kind, raw)
        except ValidationError as error:
            first = error.errors()[0]
            why = worded(first)
        before = (len(self.refused), len(self.unread))
        value = self._parts(kind, raw, path)
        if value is _NOTHING and len(self.unread) == before[1]:
            self.unread.append((path, why))
        elif (len(self.refused), len(self.unread)) == before:
            # Its parts are well, so it is a rule about the whole, or one of a model about a field.
            self.refused.append((_beneath(path, *map(str, first["loc"])), why))
        return value

    def _parts(self, kind: Any, raw: Any, path: str) -> Any:
        """The same, of what it consists of, without the rules about the whole."""
        origin = get_origin(kind)
        if origin is Annotated:
            return self._without_rules(kind, raw, path)
        if origin in (Union, types.UnionType):
            return self._either(get_args(kind), raw, path)
        if origin is tuple and isinstance(raw, list | tuple):
            return tuple(self._items(get_args(kind)[0], raw, path))
        if origin is dict and isinstance(raw, Mapping):
            return dict(self._pairs(get_args(kind), raw, path))
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(raw, Mapping):
            return self._model(kind, raw, path)
        return _NOTHING

    def _without_rules(self, kind: Any, raw: Any, path: str) -> Any:
        inner, *rules = get_args(kind)
        try:
            for rule in rules:
                if isinstance(rule, BeforeValidator):
                    raw = rule.func(raw)  # type: ignore[call-arg]  # ours take the value alone
        except ValueError:
            return _NOTHING
        return self.read(inner, raw, path)

    def _either(self, kinds: tuple[Any, ...], raw: Any, path: str) -> Any:
        fitting = [kind for kind in kinds if kind is not type(None)]
        if len(fitting) == 1:
            return self.read(fitting[0], raw, path)  # whose mistakes are told in its own words
        for kind in fitting:
            tried = _Reader()
            value = tried.read(kind, raw, path)
            if not tried.unread:
                self.refused += tried.refused
                return value
        return _NOTHING

    def _items(self, kind: Any, raw: Any, path: str) -> Iterator[Any]:
        for index, item in enumerate(raw):
            value = self.read(kind, item, f"{path}[{index}]")
            if value is not _NOTHING:
                yield value

    def _pairs(self, kinds: tuple[Any, ...], raw: Mapping[str, Any], path: str) -> Iterator[tuple[Any, Any]]:
        key, kind = kinds
        for name, item in raw.items():
            pair = (self.read(key, name, f"{path}.{name}"), self.read(kind, item, f"{path}.{name}"))
            if _NOTHING not in pair:
                yield pair

    def _model(self, kind: type[BaseModel], raw: Mapping[str, Any], path: str) -> Any:
        values: dict[str, Any] = {}
        for name, declared in kind.model_fields.items():
            inner = _beneath(path, name)
            value = _NOTHING
            if name in raw:
                value = self.read(_type_of(declared), raw[name], inner)
            elif declared.is_required():
                self.unread.append((inner, "is missing"))
            if value is _NOTHING and declared.is_required():
                return _NOTHING
            values[name] = declared.get_default(call_default_factory=True) if value is _NOTHING else value
        for name in raw.keys() - kind.model_fields.keys():
            noted = self.refused if raw[name] in _EMPTY else self.unread
            noted.append((_beneath(path, name), "unknown key"))
        return kind.model_construct(**values)


def _strictly(kind: Any, raw: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_validate(raw)
    return TypeAdapter(kind).validate_python(raw)


def _type_of(declared: Any) -> Any:
    """With the rules that stand beside it."""
    return Annotated[declared.annotation, *declared.metadata] if declared.metadata else declared.annotation


def _beneath(path: str, *names: str) -> str:
    return ".".join([path, *names] if path else names)
