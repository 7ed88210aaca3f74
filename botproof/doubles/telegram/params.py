"""The parameters of a call, whatever way they came: query, form, JSON, multipart.

Source: `HttpReader` of td (`read_next`, `parse_parameters`, `parse_json_parameters`, and its
multipart part): the query comes first, and of a name that is given twice the first value counts.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

from botproof.doubles.messages import Request
from botproof.doubles.server import MAX_BODY_BYTES
from botproof.doubles.telegram.spec import Form, Upload
from botproof.doubles.telegram.spec_values import HALF, SpecError, in_utf8

T = TypeVar("T")
_decode = msgspec.json.Decoder().decode


class BadBodyError(ValueError):
    """A body that does not parse: the HTTP status and the description of the refusal."""

    def __init__(self, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.status = status


def read_params(request: Request) -> dict[str, object]:
    """Return all parameters of a call. BadBodyError when the body is not what it says it is, or its
    strings are not UTF-8."""
    params = (
        read_body(request.headers.get("content-type", ""), _unpacked(request))
        if request.body
        else {}
    )
    if request.query:
        params.update(request.query)  # the files of a Form stay beside them
    return params


def _unpacked(request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "").lower()
    if not encoding:
        return request.body
    if encoding not in {"gzip", "deflate"}:
        raise BadBodyError("Unsupported Media Type: unsupported content-encoding", 415)
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # finds out which of the two it is
    try:
        body = unpacker.decompress(request.body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise BadBodyError(f"Bad Request: {error}") from None
    if unpacker.unconsumed_tail:
        raise BadBodyError("Request Entity Too Large", 413)
    return body


def read_body(content_type: str, body: bytes) -> dict[str, object]:
    """Return the parameters in a body; none in one of an unknown type."""
    kind = content_type.lower()
    if "application/json" in kind:
        return _json(body)
    if "application/x-www-form-urlencoded" in kind:
        return _form(body)
    if "multipart/form-data" in kind:
        return _multipart(content_type, body)
    return {}


def _json(body: bytes) -> dict[str, object]:
    """Read a JSON body. What is wrong with it is no error to the server: it takes what
    it can read."""
    try:
        value = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = _in_utf8(_as_far_as_it_goes(body.decode("utf-8", "surrogateescape")))
    if HALF.search(body):
        _in_utf8(value)
    # `null` stays: a parameter is text to the server, and what is no string is its own JSON.
    return value if isinstance(value, dict) else {}


def _in_utf8(value: T) -> T:
    try:
        return in_utf8(value)
    except SpecError as error:
        raise BadBodyError(error.description) from None


_NAME_IN_JSON = re.compile(r'\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_OPENS, _GOES_ON = re.compile(r"\s*\{"), re.compile(r"\s*,")
_scan = json.JSONDecoder(strict=False).raw_decode


def _as_far_as_it_goes(text: str) -> dict[str, object]:
    """Return the parameters before the place where a JSON body breaks, such as a last comma."""
    params: dict[str, object] = {}
    separator = _OPENS.match(text)
    while separator is not None and (name := _NAME_IN_JSON.match(text, separator.end())):
        try:
            key, (value, end) = json.loads(name[1]), _scan(text, name.end())
        except ValueError:
            break
        params.setdefault(key, value)
        separator = _GOES_ON.match(text, end)
    return params


def _form(body: bytes) -> dict[str, object]:
    params: dict[str, object] = {}
    text = body.decode("utf-8", "surrogateescape")
    for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape"):
        params.setdefault(name, value)
    return _in_utf8(params)


_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_TYPE = re.compile(r"^content-type:\s*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


def _multipart(parameters: str, body: bytes) -> dict[str, object]:
    found = _BOUNDARY.search(parameters)
    if found is None:
        raise BadBodyError("Bad Request: boundary not found")
    delimiter = b"\r\n--" + found[1].strip().encode("latin-1")
    pieces = (b"\r\n" + body).split(delimiter)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise BadBodyError("Bad Request: the body of the request is not complete")
    texts: dict[str, object] = {}
    files: dict[str, Upload] = {}
    for piece in pieces[1:-1]:
        part = _part(piece)
        if isinstance(part, Upload):
            files.setdefault(part.field, part)
        else:
            for name, value in part.items():
                texts.setdefault(name, value)
    return Form(texts, files) if files else texts


def _part(piece: bytes) -> dict[str, object] | Upload:
    """Return one part of a form: a file, or the text arguments in it."""
    raw_head, separator, data = piece.partition(b"\r\n\r\n")
    head = raw_head.decode("utf-8", "replace")
    found = _DISPOSITION.search(head)
    about = _disposition(found[1]) if found is not None else {}
    name = about.get("name", "")
    if not separator or not name:
        raise BadBodyError("Bad Request: field name in multipart/form-data not found")
    content_type = _TYPE.search(head)
    kind = content_type[1].strip() if content_type is not None else ""
    if "filename" in about:
        return Upload(about["filename"], kind, data, name)
    if kind == "application/x-www-form-urlencoded":
        return _form(data)
    return {name: _in_utf8(data.decode("utf-8", "surrogateescape"))}


_DISPOSITION = re.compile(
    r"^content-disposition:\s*form-data;([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
# key="quoted, with \\" escapes" or key=token, each up to the next semicolon
_PIECE = re.compile(r'\s*([^=;]*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))\s*(?:;|$)')
_ESCAPED = re.compile(r"\\(.)")


def _disposition(header: str) -> dict[str, str]:
    """Return what a Content-Disposition says: quoted strings and bare words, both
    percent-encoded."""
    return {
        found[1].lower(): unquote(
            _ESCAPED.sub(r"\1", found[2]) if found[2] is not None else found[3].strip()
        )
        for found in _PIECE.finditer(header)
    }


def shown(params: Mapping[str, object]) -> Mapping[str, object]:
    """Return parameters as the transcript tells them: files by name and size."""
    files = params.files if isinstance(params, Form) else {}
    if not files and not any(isinstance(value, Upload) for value in params.values()):
        return params
    # A text of the same name comes last: it is what the file is told by in `attach://`.
    named = {**files, **{name: value for name, value in params.items() if value != ""}}
    return {
        name: {"file": value.filename, "size": len(value.data)}
        if isinstance(value, Upload)
        else value
        for name, value in named.items()
    }
