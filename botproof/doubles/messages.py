"""What goes in and out of a double: a request, and an answer that may break its connection."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

_encode = msgspec.json.Encoder().encode


class Transport(enum.Enum):
    """What happens to the connection when the answer is due."""

    NORMAL = "normal"
    RESET = "reset"  # TCP RST at once
    SILENT = "silent"  # no answer, the connection stays open
    HALF_BODY = "half_body"  # the full Content-Length, half of the bytes, then FIN


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole: `path` and `query` are percent-decoded, header names are lower case.

    Of a query key or header given twice the first value wins. `raw_query` is what stood after `?`.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw_query: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; `headers` come on top of Content-Type and Content-Length.

    `served` is false where a double does not know what it was asked for: its refusal then says
    nothing about the real service. It is for the double's own record and never sent.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    transport: Transport = Transport.NORMAL
    served: bool = True


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer without an end: `chunks` are sent as they come (server-sent events by default).

    The iterator is closed when the client goes away.
    """

    chunks: AsyncIterator[bytes]
    content_type: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Cache-Control": "no-store"})


AnyResponse: TypeAlias = Response | Stream
Handler: TypeAlias = Callable[[Request], AnyResponse | Awaitable[AnyResponse]]
OnFailure: TypeAlias = Callable[[Request, Exception], None]


def json_response(value: object, status: int = 200) -> Response:
    """Return `value` as JSON (anything that msgspec encodes)."""
    return Response(status=status, body=_encode(value))


def error_response(status: int, description: str) -> Response:
    """Return a refusal in the words of every double: `ok` false, `error_code`, `description`."""
    said = {"ok": False, "error_code": status, "description": description}
    return json_response(said, status)
