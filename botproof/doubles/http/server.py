"""The double itself: it plays recordings, or asks the real hosts and records.

Which host is meant says the `Host` of a request; at the double's own address it is the first part
of the path: `/api.example.org/v1/price`.

`/_double/…` is the control interface that every double has (see `kit.control`). What is not in the
recording is refused with 501, and stands in the transcript as `not_recorded`.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import msgspec

from botproof.doubles.http.har import BLANK, Exchange
from botproof.doubles.http.redaction import (
    REDACTED,
    is_secret_name,
    redact_body,
    redact_text,
    redact_url,
    values_of,
)
from botproof.doubles.http.replay import Replay
from botproof.doubles.kit import control
from botproof.doubles.kit.transcript import Transcript
from botproof.doubles.messages import Request, Response, json_response
from botproof.doubles.server import Server, serve

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


@dataclass(frozen=True, slots=True)
class Recording:
    """How to record. `upstream` are other addresses of hosts, such as a staging's.

    `blank`: nobody is asked. What no recording has is written down with an empty answer, which a
    person fills in.
    """

    client: httpx.AsyncClient
    upstream: Mapping[str, str]
    secrets: frozenset[str] = frozenset()
    blank: bool = False


class HttpDouble:
    """Answers for every host. `exchanges` are those that have been recorded."""

    def __init__(self, replay: Replay, recording: Recording | None = None) -> None:
        self._replay = replay
        self._recording = recording
        self.exchanges: list[Exchange] = []
        self.transcript = Transcript()

    def health(self) -> Mapping[str, object]:
        """Return how much has been recorded."""
        return {"recorded": len(self.exchanges)}

    async def reset(self) -> None:
        """Forget what happened; what was recorded from real hosts stays."""
        self.transcript.clear()

    async def listen(
        self, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> Server:
        """Serve on `host`:`port` (0: any free port), over TLS where it is given. Raises OSError
        when it cannot be bound.
        """
        return await serve(
            self.plain if tls is None else self.secure,
            host=host,
            port=port,
            ssl=tls,
            on_failure=self.transcript.note_failure,
            on_distrust=self.transcript.note_distrust,
        )

    async def secure(self, request: Request) -> Response:
        """Answer what came over TLS."""
        return await self._handle(request, "https")

    async def plain(self, request: Request) -> Response:
        """Answer what came without TLS."""
        return await self._handle(request, "http")

    async def _handle(self, request: Request, scheme: str) -> Response:
        if request.path.startswith("/_double"):
            told = control.answer(control.RECORD, self, request)
            return told if isinstance(told, Response) else await told
        began = time.monotonic()
        host, path, named = _meant(request)
        url = f"{scheme if named else 'https'}://{host}{path}"
        url += f"?{request.raw_query}" if request.raw_query else ""
        body = request.body.decode("utf-8", "replace")
        if self._recording is None:
            answer = self._play(request, url, body)
        elif self._recording.blank:
            answer = self._note_blank(self._recording, request, url, body)
        else:
            answer = await self._ask(self._recording, request, url, body)
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
            self.transcript.add("venue_call", {**fields, "duration_s": time.monotonic() - began})
        else:
            what = f"{request.method} {shown}"
            self.transcript.add(
                "not_recorded", {"what": what, "host": host, "status": answer.status}
            )
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

    def _note_blank(self, how: Recording, request: Request, url: str, body: str) -> Response:
        """Answer as recorded; else with an empty object, which is written down once."""
        played = self._play(request, url, body)
        if played.served:
            return played
        secrets = how.secrets | values_of(tuple(request.headers.items()), url, _fields(body))
        shown, said = redact_url(url, secrets), redact_body(body, secrets)
        known = {(each.method, each.url, each.request_body) for each in self.exchanges}
        if (request.method, shown, said) not in known:
            self.exchanges.append(
                Exchange(
                    method=request.method,
                    url=shown,
                    status=200,
                    request_body=said,
                    body=BLANK,
                    content_type="application/json",
                )
            )
        return Response(200, BLANK, "application/json")

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


def _meant(request: Request) -> tuple[str, str, bool]:
    """Return the host that a request means, its path there, and whether it was reached by name."""
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
    """Return a JSON-RPC answer with the id of this request: clients count them up."""
    asked = _fields(body)
    if not (isinstance(asked, dict) and "jsonrpc" in asked and "id" in asked):
        return answer
    said = _fields(answer.decode("utf-8", "replace"))
    if not (isinstance(said, dict) and "id" in said):
        return answer
    return msgspec.json.encode({**said, "id": asked["id"]})
