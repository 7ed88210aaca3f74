"""What a call to the Bot API gives: a result, a refusal, or a promise to answer later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Raw

_encode = msgspec.json.Encoder().encode


class Refusal(Exception):  # noqa: N818 - an answer in Telegram's words, not an error of this program
    """A call that Telegram refuses: the HTTP status, the whole description, `parameters`."""

    def __init__(
        self, code: int, description: str, parameters: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def bad_request(what: str) -> Refusal:
    """400, in the form `Bad Request: what`."""
    return Refusal(400, f"Bad Request: {what}")


def forbidden(what: str) -> Refusal:
    """403, in the form `Forbidden: what`."""
    return Refusal(403, f"Forbidden: {what}")


def too_many_requests(seconds: int) -> Refusal:
    """429 with `parameters.retry_after` (whole seconds, at least 1)."""
    seconds = max(1, seconds)
    return Refusal(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the Bot API. `status` is the HTTP status and, in a refusal, the error_code."""

    status: int
    result: object = None
    description: str | None = None
    parameters: Mapping[str, int] | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the call was accepted."""
        return self.status == 200

    def encoded(self) -> bytes:
        """Return the result as JSON."""
        return _encode(self.result)

    def body(self, encoded: bytes) -> bytes:
        """Return the JSON body, as the real server lays it out; `encoded` comes from
        `encoded()`."""
        if self.is_ok:
            if self.description is None:
                return b'{"ok":true,"result":' + encoded + b"}"
            return _encode({"ok": True, "result": Raw(encoded), "description": self.description})
        answer: dict[str, object] = {
            "ok": False,
            "error_code": self.status,
            "description": self.description,
        }
        if self.parameters:
            answer["parameters"] = self.parameters
        return _encode(answer)

    @classmethod
    def refused(cls, refusal: Refusal) -> Reply:
        """Return the answer that says `refusal`."""
        return cls(refusal.code, description=refusal.description, parameters=refusal.parameters)


def ok(result: object, description: str | None = None) -> Reply:
    """Return an accepted call."""
    return Reply(200, result, description)


@dataclass(frozen=True, slots=True)
class Later:
    """The call waits; its `Reply` comes as the effect `LateReply` with the same ticket."""

    ticket: int
