"""HTTP to Lambda and back: the payload format 2.0 of API Gateway HTTP APIs and function URLs. Pure.

Source: "Working with AWS Lambda proxy integrations for HTTP APIs" and "Invoking Lambda function
URLs" of the AWS documentation.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from botproof.doubles.messages import Request, Response

_TEXT = ("application/json", "application/x-www-form-urlencoded", "text/", "application/xml")
_DOMAIN = "botproof.lambda-url.eu-west-1.on.aws"


class BadAnswerError(Exception):
    """What the function returned is no HTTP response; AWS answers 502 then."""


def to_event(request: Request, request_id: str, now_ms: int) -> dict[str, Any]:
    """Return the event of a request. `now_ms` is the time of day in epoch milliseconds."""
    kind = request.headers.get("content-type", "")
    as_text = kind.startswith(_TEXT) or not request.body
    moment = datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": quote(request.path),
        "rawQueryString": request.raw_query,
        "headers": dict(request.headers),
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "botproof",
            "domainName": _DOMAIN,
            "domainPrefix": "botproof",
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": request.headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": moment.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": now_ms,
        },
        "isBase64Encoded": not as_text,
    }
    if request.query:
        event["queryStringParameters"] = dict(request.query)
    if request.body:
        event["body"] = (
            request.body.decode("utf-8", errors="replace")
            if as_text
            else base64.b64encode(request.body).decode()
        )
    return event


def to_response(returned: bytes) -> Response:
    """Return the HTTP response that a function's return value (JSON) asks for.

    Without `statusCode` the whole value is the body of a 200, as AWS infers it. Raises
    BadAnswerError.
    """
    try:
        value = msgspec.json.decode(returned)
    except msgspec.DecodeError as error:
        raise BadAnswerError(f"the function returned no JSON: {error}") from error
    if not isinstance(value, dict) or "statusCode" not in value:
        body = value.encode() if isinstance(value, str) else returned
        return Response(200, body)
    status = value["statusCode"]
    if not (isinstance(status, int | str) and str(status).isdigit()):
        raise BadAnswerError(f"statusCode is {status!r}; it must be a number")
    headers = {str(name).lower(): str(text) for name, text in (value.get("headers") or {}).items()}
    return Response(
        int(status),
        _body(value),
        content_type=headers.pop("content-type", "application/json"),
        headers={name: text for name, text in headers.items() if name != "content-length"},
    )


def _body(value: dict[str, Any]) -> bytes:
    body = value.get("body") or ""
    if not isinstance(body, str):
        raise BadAnswerError(f"body is of type {type(body).__name__}; it must be a string")
    if not value.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise BadAnswerError("isBase64Encoded is true, but the body is not base64") from error
