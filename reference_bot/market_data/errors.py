"""The two ways to fail: a venue's part of an answer, and the answer itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from reference_bot.api import Missing

Reason = Literal[
    "timeout",
    "unreachable",
    "refused",
    "bad_payload",
    "not_listed",
    "rate_limited",
    "queued",
    "outage",
    "unavailable",
    "unmeasured",
    "new",
    "circuit_open",
]
"""Why a part is missing: ``timeout`` not in time, ``unreachable`` no connection or a broken one,
``refused`` a 4xx answer, ``bad_payload`` an answer that is not what the venue documents,
``not_listed`` no such market there, ``rate_limited`` 429 or 418, ``queued`` not asked yet, because
the venue takes no more calls at once, ``outage`` a 5xx answer or an
error code that tells no more, ``unavailable`` data that the venue does not have, ``unmeasured``
data that it is not known what the venue counts in, ``new`` the market is too young for it,
``circuit_open`` not asked, because it kept
failing or asked to be left alone."""


class Refusal(NamedTuple):
    """What a venue's own words about an error mean; ``code`` is the number that it has for it,
    where what is done depends on that. ``place``: it serves this address or place not at all."""

    reason: Reason
    message: str
    code: int | None = None
    place: bool = False


class VenueError(Exception):
    """A venue did not give one part. ``retry_after`` is in seconds, when the venue said so.

    ``ours``: this process kept the call waiting, so that it says nothing about the venue.
    ``code``: the venue's own number of the error, as in `Refusal`.
    """

    def __init__(
        self,
        venue: str,
        reason: Reason,
        message: str,
        *,
        retry_after: float | None = None,
        ours: bool = False,
        code: int | None = None,
    ) -> None:
        super().__init__(f"{venue}: {message}")
        self.venue = venue
        self.reason: Reason = reason
        self.message = message
        self.retry_after = retry_after
        self.ours = ours
        self.code = code


class RefusalError(Exception):
    """What a venue says in an answer with status 200 that is a refusal all the same."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class AnswerError(Exception):
    """A request that gets no data: HTTP ``status`` and the members of the error object."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        near: tuple[str, ...] | None = None,
        missing: tuple[Missing, ...] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.near = near
        self.missing = missing


def without_venues(message: str, missing: Sequence[Missing], *, late: bool) -> AnswerError:
    """Return the answer where no venue gave anything; ``late``: they had no time left to."""
    status, code = (504, "too_late") if late else (502, "venue_failed")
    return AnswerError(status, code, message, missing=tuple(missing))
