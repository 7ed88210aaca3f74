"""Recordings as HAR 1.2, the format of browsers and proxies, read and written.

Of a foreign file is needed: `log.entries[]`, of each `request.method`, `request.url`, and
`response.status`, `response.content`. Bodies of the answers are stored decoded, as the format has
it: `content.text`, base64 where `content.encoding` says so.

Source: http://www.softwareishard.com/blog/har-12-spec/.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import botproof
from botproof.problems import UsageError

BLANK = b"{}"
"""The answer that stands where a person is to put one."""
Headers = tuple[tuple[str, str], ...]


class RecordingError(UsageError):
    """A recording cannot be used. Says which file, where in it, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its answer. `body` is that of the answer, decoded."""

    method: str
    url: str
    status: int
    request_headers: Headers = ()
    request_body: str = ""
    headers: Headers = ()
    body: bytes = b""
    content_type: str = ""
    started: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    took_s: float = 0.0

    @property
    def host(self) -> str:
        """Whom it was sent to, without the port."""
        return urlsplit(self.url).hostname or ""


def read_har(path: Path) -> list[Exchange]:
    """Return the exchanges of a file; those without an answer are left out. Raises
    RecordingError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RecordingError(
            f"{path}: cannot be read: {error.strerror}; `botproof record` writes one"
        ) from error
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path}: is no HAR file: {error}") from error
    try:
        entries = list(json.loads(text)["log"]["entries"])
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path}: is no HAR file: {type(error).__name__}: {error}") from error
    found = []
    for number, entry in enumerate(entries):
        try:
            exchange = _exchange(entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise RecordingError(f"{path}: log.entries[{number}]: {what}") from error
        if exchange.status:  # browsers write 0 where no answer came
            found.append(exchange)
    return found


def _exchange(entry: Mapping[str, Any]) -> Exchange:
    request, response = entry["request"], entry["response"]
    content = response.get("content") or {}
    return Exchange(
        method=str(request["method"]).upper(),
        url=_url(str(request["url"])),
        status=int(response["status"]),
        request_headers=_headers(request),
        request_body=_posted(request.get("postData")),
        headers=_headers(response),
        body=_body(content),
        content_type=str(content.get("mimeType") or ""),
        started=_moment(str(entry.get("startedDateTime", ""))),
        took_s=max(0.0, float(entry.get("time") or 0) / 1000),
    )


def _url(text: str) -> str:
    if urlsplit(text).scheme not in {"http", "https"} or not urlsplit(text).hostname:
        raise ValueError(f"request.url: {text[:100]!r} is no http(s) URL")
    return text


def _headers(message: Mapping[str, Any]) -> Headers:
    listed = message.get("headers") or ()
    return tuple((str(each["name"]), str(each["value"])) for each in listed)


def _posted(data: Mapping[str, Any] | None) -> str:
    if not data:
        return ""
    if data.get("text"):
        return str(data["text"])
    return urlencode([(p["name"], p.get("value", "")) for p in data.get("params") or ()])


def _body(content: Mapping[str, Any]) -> bytes:
    text = str(content.get("text") or "")
    if content.get("encoding") != "base64":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"response.content.text: is not base64: {error}") from error


def _moment(text: str) -> datetime.datetime:
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return datetime.datetime.fromtimestamp(0, datetime.UTC)


def hosts_of(exchanges: Iterable[Exchange]) -> tuple[str, ...]:
    """Return the hosts that a recording has answers of."""
    return tuple(dict.fromkeys(exchange.host for exchange in exchanges))


def write_har(path: Path, exchanges: Sequence[Exchange]) -> None:
    """Write them, whole or not at all. Raises OSError."""
    creator = {"name": "botproof", "version": botproof.__version__}
    entries = [_entry(exchange) for exchange in exchanges]
    document = {"log": {"version": "1.2", "creator": creator, "entries": entries}}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def _entry(exchange: Exchange) -> dict[str, Any]:
    milliseconds = round(exchange.took_s * 1000, 3)
    posted = {
        "postData": {
            "mimeType": dict(_lower(exchange.request_headers)).get("content-type", ""),
            "text": exchange.request_body,
        }
    }
    query = [
        {"name": name, "value": value}
        for name, _, value in (
            part.partition("=") for part in urlsplit(exchange.url).query.split("&") if part
        )
    ]
    return {
        "startedDateTime": exchange.started.isoformat(timespec="milliseconds"),
        "time": milliseconds,
        "request": {
            "method": exchange.method,
            "url": exchange.url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _listed(exchange.request_headers),
            "queryString": query,
            **(posted if exchange.request_body else {}),
            "headersSize": -1,
            "bodySize": len(exchange.request_body.encode()),
        },
        "response": {
            "status": exchange.status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _listed(exchange.headers),
            "content": _content(exchange),
            "redirectURL": dict(_lower(exchange.headers)).get("location", ""),
            "headersSize": -1,
            "bodySize": len(exchange.body),
        },
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
    }


def _content(exchange: Exchange) -> dict[str, Any]:
    common = {"size": len(exchange.body), "mimeType": exchange.content_type}
    try:
        return {**common, "text": exchange.body.decode("utf-8")}
    except UnicodeDecodeError:
        text = base64.b64encode(exchange.body).decode("ascii")
        return {**common, "text": text, "encoding": "base64"}


def _lower(headers: Headers) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers]


def _listed(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]
