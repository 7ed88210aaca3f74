"""What must not stand in a recording: keys, tokens, cookies, signatures.

By name: headers, query and body fields that are called so. By form: bot tokens, JWTs, and long
random parts of a path. By value: what a request carried under such a name, and the secrets of the
bot's own environment, wherever they stand, in answers too.

A part of a path is replaced by a digest of itself, so that two keys stay two and a request still
finds its answer; it has so many random characters that nobody can guess it. Everything else becomes
`redacted`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec

from botproof import bot_token

REDACTED = "redacted"
_NAMES = re.compile(
    r"authori[sz]ation|cookie|passw|passphrase|secret|signature|^sign$|[-_]sign$|token|credential|"
    r"api[-_]?key|access[-_]?key|private[-_]?key|app[-_]?id$|^key$|[-_]key$|^auth$|[-_]auth$|"
    r"session[-_]?id|^x-mbx-apikey$",
    re.IGNORECASE,
)
# Names of this form that say what is asked about, not who asks.
_NO_SECRETS = re.compile(
    r"^(?:token_?(?:id|ids|address|symbol|name|count|in|out|type)s?|tokens?|contract_?token|"
    r"from_?token|to_?token|x-csrf-token-required|max_tokens|page_?token|next_?page_?token)$",
    re.IGNORECASE,
)
_IN_TEXT = (
    bot_token.IN_TEXT,
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),  # a JWT
    re.compile(r"\b(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
)
_RANDOM = re.compile(
    r"(?!0x)(?=[^/]*[a-z])(?=[^/]*[A-Z])(?=[^/]*\d)[A-Za-z0-9_-]{28,}\Z|[0-9a-f]{32}\Z"
)
_LEAST = 6
"""Shorter values are not looked for in texts: they would meet every other word."""


def is_secret_name(name: str) -> bool:
    """Tell whether what bears this name must not be kept."""
    return bool(_NAMES.search(name)) and not _NO_SECRETS.match(name)


def values_of(headers: Iterable[tuple[str, str]], url: str, body: object = None) -> frozenset[str]:
    """Return the secrets that a request carries under such names."""
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    fields = body.items() if isinstance(body, Mapping) else ()
    named = (*headers, *query, *((str(name), str(value)) for name, value in fields))
    found: set[str] = set()
    for name, value in named:
        if is_secret_name(name):
            found |= {value, value.rpartition(" ")[2]}
    return frozenset(value for value in found if len(value) >= _LEAST)


def redact_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without these secrets, and without what has the form of one."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED).replace(quote(secret, safe=""), REDACTED)
    for form in _IN_TEXT:
        text = form.sub(REDACTED, text)
    return text


def redact_url(url: str, secrets: Iterable[str] = ()) -> str:
    """Return a URL without secrets in its user, its path and its query."""
    parts = urlsplit(redact_text(url, secrets))
    path = "/".join(_segment(segment) for segment in parts.path.split("/"))
    pairs = [
        (name, REDACTED if is_secret_name(name) else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    query = urlencode(pairs) if pairs else parts.query
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, query, ""))


def _segment(text: str) -> str:
    if not _RANDOM.match(text):
        return text
    return f"{REDACTED}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def redact_body(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a body without secrets: of JSON and of forms by the names in it, of others
    by their form."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return _redact_form(redact_text(text, secrets))
    if not isinstance(value, dict | list):
        return redact_text(text, secrets)
    if not any(is_secret_name(name) for name in _names(value)):
        return redact_text(text, secrets)  # as it was sent, to the last space
    return redact_text(msgspec.json.encode(_without(value)).decode(), secrets)


def _redact_form(text: str) -> str:
    if not re.fullmatch(r"[^\s=&]+=[^\s&]*(?:&[^\s=&]+=[^\s&]*)*", text):
        return text
    pairs = parse_qsl(text, keep_blank_values=True)
    if not any(is_secret_name(name) for name, _ in pairs):
        return text
    return urlencode([(n, REDACTED if is_secret_name(n) else v) for n, v in pairs])


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from _names(each)
    elif isinstance(value, list):
        for each in value:
            yield from _names(each)


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: REDACTED if is_secret_name(name) and isinstance(each, str) else _without(each)
            for name, each in value.items()
        }
    return [_without(each) for each in value] if isinstance(value, list) else value
