"""HTTP/2's frames as bytes (RFC 9113), for clients that send what no library would send."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
ACK, END_STREAM, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def opening(window: int | None = None) -> bytes:
    """How a client begins; `window` is what each answer may send, in bytes, before it is asked for more."""
    settings = b"" if window is None else struct.pack(">HI", INITIAL_WINDOW_SIZE, window)
    return PREFACE + frame(SETTINGS, 0, 0, settings)


def asking(
    stream: int, host: str, path: str = "/", *, flags: int = END_HEADERS | END_STREAM, method: str = "GET"
) -> bytes:
    """A request's headers. Without END_STREAM its body is still to come, without END_HEADERS more headers."""
    fields = {":method": method, ":scheme": "http", ":path": path, ":authority": host}
    return frame(HEADERS, flags, stream, b"".join(literal(*field) for field in fields.items()))


def literal(name: str, value: str) -> bytes:
    """A header that is not to be remembered: texts of fewer than 127 bytes, not in Huffman's code."""
    return b"\x00" + _text(name) + _text(value)


def _text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()
