"""Which recorded answer belongs to a request.

Host, method, path, query and body have to be the same, in any order of the query and of JSON's
keys; secrets are taken out of both sides first. Where nothing is the same so, what changes with
time does not count: times in epoch seconds or milliseconds, nonces, the `id` of JSON-RPC. What was
asked more than once is answered in the order of the recording; its last answer then stays.
An entry by hand whose query is `*` (`https://api.example.org/v1/price?*`) answers all that is asked
of its path and that no other entry answers.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from botproof.doubles.http.har import Exchange
from botproof.doubles.http.redaction import redact_body, redact_url

_OF_TIME = re.compile(
    r"(?:timestamp|ts|nonce|_|cb|cache_?bust\w*|rand(?:om)?|request_?id)", re.IGNORECASE
)
_EPOCH = re.compile(r"1\d{9}(?:\d{3})?(?:\.\d+)?")
_ANY = "*"
Key = tuple[object, ...]


class Replay:
    """The answers of recordings. `find` gives one, None when they have none."""

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self._exact: dict[Key, list[Exchange]] = defaultdict(list)
        self._timeless: dict[Key, list[Exchange]] = defaultdict(list)
        self._played: dict[Key, int] = defaultdict(int)
        for exchange in exchanges:
            if urlsplit(exchange.url).query == _ANY:
                self._exact[_path_key(exchange.method, exchange.url)].append(exchange)
                continue
            request = (exchange.method, exchange.url, exchange.request_body)
            self._exact[_key(*request, timeless=False)].append(exchange)
            self._timeless[_key(*request, timeless=True)].append(exchange)

    def find(self, method: str, url: str, body: str) -> Exchange | None:
        """Return the next answer to this request."""
        for answers, key in (
            (self._exact, _key(method, url, body, timeless=False)),
            (self._timeless, _key(method, url, body, timeless=True)),
            (self._exact, _path_key(method, url)),
        ):
            if key in answers:
                number = self._played[key]
                self._played[key] += 1
                return answers[key][min(number, len(answers[key]) - 1)]
        return None


def _path_key(method: str, url: str) -> Key:
    parts = urlsplit(redact_url(url))
    return (method.upper(), parts.hostname, parts.path or "/", _ANY)


def _key(method: str, url: str, body: str, *, timeless: bool) -> Key:
    parts = urlsplit(redact_url(url))
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if timeless:
        pairs = [(name, "time" if _varies(name, value) else value) for name, value in pairs]
    said = _body_key(redact_body(body), timeless=timeless)
    path = parts.path or "/"
    return (timeless, method.upper(), parts.hostname, path, tuple(sorted(pairs)), said)


def _varies(name: str, value: str) -> bool:
    return bool(_OF_TIME.fullmatch(name) or _EPOCH.fullmatch(value))


def _body_key(body: str, *, timeless: bool) -> str:
    if not body:
        return ""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        pairs = parse_qsl(body, keep_blank_values=True)
        if timeless:
            pairs = [(n, "time" if _varies(n, v) else v) for n, v in pairs]
        return repr(sorted(pairs)) if pairs else body
    return msgspec.json.encode(_plain(value, timeless=timeless), order="sorted").decode()


def _plain(value: Any, *, timeless: bool) -> Any:
    if isinstance(value, list):
        return [_plain(each, timeless=timeless) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: "time"
        if timeless and (_varies(name, str(each)) or (name == "id" and "jsonrpc" in value))
        else _plain(each, timeless=timeless)
        for name, each in value.items()
    }
