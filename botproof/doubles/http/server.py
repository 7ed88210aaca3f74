"""The double itself: it plays recordings, or asks the real hosts and records.

Which host is meant says the `Host` of a request; at the double's own address it is the first part
of the path: `/api.example.org/v1/price`.

`/_double/…`: `GET health`, and `GET transcript` (`after`, `timeout`), a long poll. What is not in
the recording is refused with 501, and stands there as `not_recorded`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from botproof.doubles.http.har import Exchange
from botproof.doubles.http.redaction import (
    REDACTED,
    is_secret_name,
    redact_body,
    redact_text,
    redact_url,
    values_of,
)
from botproof.doubles.http.replay import Replay
from botproof.doubles.pages import refuse_strange_page
from botproof.doubles.server import Request, Response, describe_failure, json_response

__all__ = ["HttpDouble", "Recording"]

_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "content-length", "content-encoding", "host", "expect", "accept-encoding"),
    )
)
_NOT_PLAYED = frozenset(
    (
        *("connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"),
        *("content-type", "alt-svc", "strict-transport-security", "set-cookie", "date"),
    )
)
_LONGEST_POLL = 60.0


@dataclass(frozen=True, slots=True)
class Recording:
    """How to record. `upstream` are other addresses of hosts, such as a staging's."""

    client: httpx.AsyncClient
    upstream: Mapping[str, str]
    secrets: frozenset[str] = frozenset()


class HttpDouble:
    """Answers for every host. `exchanges` are those that have been recorded."""

    def __init__(self, replay: Replay, recording: Recording | None = None) -> None:
        self._replay = replay
        self._recording = recording
        self.exchanges: list[Exchange] = []
        self._events: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    def note_failure(self, request: Request, error: Exception) -> None:
        """Write down that the double itself failed: no fault of the target's."""
        self._record("internal_error", describe_failure(error, request))

    def note_distrust(self, host: str, why: str) -> None:
        """Write down that a client refused the certificate of this host."""
        self._record("distrusted", {"host": host, "why": why})

    async def secure(self, request: Request) -> Response:
        """Answer what came over TLS."""
        return await self._handle(request, "https")

    async def plain(self, request: Request) -> Response:
        """Answer what came without TLS."""
        return await self._handle(request, "http")

    async def _handle(self, request: Request, scheme: str) -> Response:
        if request.path.startswith("/_double"):
            return refuse_strange_page(request) or await self._control(request)
        began = time.monotonic()
        host, path, named = _meant(request)
        url = f"{scheme if named else 'https'}://{host}{path}"
        url += f"?{request.raw_query}" if request.raw_query else ""
        body = request.body.decode("utf-8", "replace")
        if self._recording is not None:
            answer = await self._ask(self._recording, request, url, body)
        else:
            answer = self._play(request, url, body)
        shown = redact_url(url)
        fields = {
            "venue": host,
            "path": path,
            "status": answer.status,
            "query": dict(request.query),
        }
        fields["query"] = {
            n: REDACTED if is_secret_name(n) else v for n, v in request.query.items()
        }
        fields["path"] = redact_url(f"http://x{path}").removeprefix("http://x")
        if answer.served:
            self._record("venue_call", {**fields, "duration_s": time.monotonic() - began})
        else:
            what = f"{request.method} {shown}"
            self._record("not_recorded", {"what": what, "host": host, "status": answer.status})
        return answer

    def _play(self, request: Request, url: str, body: str) -> Response:
        found = self._replay.find(request.method, url, body)
        if found is None:
            text = f"no recording has {request.method} {redact_url(url)}"
            return _refused(501, text)
        headers = {n: v for n, v in found.headers if n.lower() not in _NOT_PLAYED and "\n" not in v}
        return Response(
            status=found.status,
            body=_same_id(found.body, body),
            content_type=found.content_type or "application/octet-stream",
            headers=headers,
        )

    async def _ask(self, how: Recording, request: Request, url: str, body: str) -> Response:
        headers = {n: v for n, v in request.headers.items() if n not in _HOP}
        started, began = datetime.now(UTC), time.monotonic()
        try:
            answer = await how.client.request(
                request.method, _upstream(how, url), headers=headers, content=request.body
            )
        except httpx.HTTPError as error:
            return _refused(502, f"{redact_url(url)}: {str(error) or type(error).__name__}")
        named = tuple(request.headers.items())
        secrets = how.secrets | values_of(named, url, _fields(body))
        content_type = answer.headers.get("content-type", "")
        self.exchanges.append(
            Exchange(
                method=request.method,
                url=redact_url(url, secrets),
                status=answer.status_code,
                request_headers=_redacted(headers, secrets),
                request_body=redact_body(body, secrets),
                headers=_redacted(answer.headers, secrets),
                body=_redacted_answer(answer.content, secrets),
                content_type=content_type,
                started=started,
                took_s=time.monotonic() - began,
            )
        )
        kept = {n: v for n, v in answer.headers.items() if n.lower() not in _HOP | {"content-type"}}
        return Response(answer.status_code, answer.content, content_type, kept)

    def _record(self, kind: str, fields: Mapping[str, Any]) -> None:
        event = {"seq": len(self._events) + 1, "t": time.monotonic(), "type": kind, **fields}
        self._events.append(event)
        self._news.set()
        self._news = asyncio.Event()

    async def _control(self, request: Request) -> Response:
        path = request.path.removeprefix("/_double").strip("/")
        if (request.method, path) == ("GET", "health"):
            recorded = len(self.exchanges)
            return json_response({"ok": True, "result": {"recorded": recorded}})
        if (request.method, path) != ("GET", "transcript"):
            text = f"nothing at {request.method} /_double/{path}"
            return json_response({"ok": False, "error": text}, 404)
        after = int(request.query.get("after", "0"))
        wait = min(float(request.query.get("timeout", "0")), _LONGEST_POLL)
        if len(self._events) <= after and wait > 0:
            with contextlib.suppress(TimeoutError):  # nothing happened: an empty list says so
                await asyncio.wait_for(self._news.wait(), wait)
        page = {"events": self._events[after:], "next": len(self._events), "dropped": 0}
        return json_response({"ok": True, "result": page})


def _meant(request: Request) -> tuple[str, str, bool]:
    """The host that a request means, its path there, and whether it was reached by name."""
    named = request.headers.get("host", "")
    name = named.partition(":")[0] if not named.startswith("[") else named
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        if "." in name:
            return named.removesuffix(":443").removesuffix(":80").lower(), request.path, True
    host, _, rest = request.path.lstrip("/").partition("/")
    return host.lower(), f"/{rest}", False


def _upstream(how: Recording, url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    other = how.upstream.get(host.partition(":")[0])
    return f"{other.rstrip('/')}{slash}{path}" if other else f"{scheme}://{rest}"


def _refused(status: int, text: str) -> Response:
    answer = json_response({"error": text, "by": "botproof's HTTP double"}, status)
    return Response(status, answer.body, served=False)


def _fields(body: str) -> object:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None


def _redacted(headers: Mapping[str, str], secrets: frozenset[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, REDACTED if is_secret_name(name) else redact_text(value, secrets))
        for name, value in headers.items()
    )


def _redacted_answer(body: bytes, secrets: frozenset[str]) -> bytes:
    try:
        return redact_body(body.decode("utf-8"), secrets).encode()
    except UnicodeDecodeError:
        return body  # a picture, say


def _same_id(answer: bytes, body: str) -> bytes:
    """A JSON-RPC answer with the id of this request: clients count them up."""
    asked = _fields(body)
    if not (isinstance(asked, dict) and "jsonrpc" in asked and "id" in asked):
        return answer
    said = _fields(answer.decode("utf-8", "replace"))
    if not (isinstance(said, dict) and "id" in said):
        return answer
    return msgspec.json.encode({**said, "id": asked["id"]})
