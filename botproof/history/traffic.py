"""The events of what went in and out: cases, updates, calls, and the requests of a load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from botproof.history.run import Event


class CasePlayed(Event, frozen=True, kw_only=True):
    """The harness sent one case of the workload. `t` is when the user pressed "send".

    `update_id` is 0 when the bot does not take updates of this kind, so that it never gets it.
    `expect` is "reply" or "silence"; `replies` how many messages the answer consists of;
    `sent` what was sent, in the double's injection format.
    """

    case: str
    update_id: int
    chat_id: int
    expect: str
    replies: int = 1
    title: str = ""
    command: str = ""
    golden: bool = True
    sent: Mapping[str, Any] = {}

    @property
    def pinned(self) -> bool:
        """Whether an approved file says what the reply is."""
        return self.expect == "reply" and self.golden

    @property
    def said(self) -> str:
        """What its user wrote, or what the button says that was tapped."""
        tapped = self.sent.get("callback_query", {}).get("data")
        return str(tapped or self.sent.get("message", {}).get("text") or "")


class UpdateInjected(Event, frozen=True, kw_only=True):
    """The Telegram double queued an update for the bot."""

    update_id: int
    update: Mapping[str, Any] = {}


class UpdateDelivered(Event, frozen=True, kw_only=True):
    """The double handed an update to the bot. `door` is "webhook" or "polling".

    `status` is the bot's HTTP status at its webhook, None when none came.
    """

    update_id: int
    door: str
    attempt: int = 1
    status: int | None = None
    error: str | None = None
    duration_s: float = 0.0


class UpdateConfirmed(Event, frozen=True, kw_only=True):
    """The bot told Telegram that it has these updates; they will not come again."""

    update_ids: tuple[int, ...]
    door: str


class BotApiCall(Event, frozen=True, kw_only=True):
    """One call of the Bot API by the bot, with what the double answered."""

    method: str
    params: Mapping[str, Any] = {}
    status: int | None = None
    result: Any = None
    error_code: int | None = None
    description: str | None = None
    duration_s: float = 0.0


class VenueCall(Event, frozen=True, kw_only=True):
    """One call of an exchange by the target, with the HTTP status of the double.

    `t` is its end. `own_s` is the part of `duration_s` that the double took for itself: no fault
    that was asked for. `unserved` names what the double does not know, so that its refusal says
    nothing about the real venue. `carried` holds the fingerprints of keys and other credentials, by
    the name of their header or parameter (`botproof.credentials`).
    """

    venue: str
    path: str
    query: Any = None
    status: int | None = None
    duration_s: float = 0.0
    own_s: float = 0.0
    unserved: str = ""
    carried: Mapping[str, str] = {}


NOT_RECORDED = "not_recorded"
"""The kind of `DoubleEvent` that tells of a request (`detail["what"]`) that no recording has."""
DISTRUSTED = "distrusted"
"""The kind of `DoubleEvent` that tells of a client that refused the certificate of a host
(`detail["host"]`), and with which alert of TLS (`detail["why"]`)."""
NOT_OFFLINE = "not_offline"
"""The kind of `DoubleEvent` that tells why (`detail["reason"]`) hosts are looked up for real."""
NOT_HELD_BACK = "not_held_back"
"""The kind of `DoubleEvent` that tells why (`detail["reason"]`) a process (`detail["process"]`) can
reach addresses beyond its machine."""
REFUSED_ADDRESS = "refused_address"
"""The kind of `DoubleEvent` that tells of an address with its port (`detail["address"]`), beyond
the machine, that a process (`detail["process"]`) was refused."""
ALTERED = "altered"
"""The kind of `DoubleEvent` that tells, once of each wire before a double, that it has altered
something (`detail["what"]`)."""
UNKNOWN_HOST = "unknown_host"
"""The kind of `DoubleEvent` that tells of a host (`detail["host"]`) that no double stands for."""


class DoubleEvent(Event, frozen=True, kw_only=True):
    """Anything else that a double reports: webhook set or deleted, fault, clock moved."""

    double: str
    kind: str
    detail: Mapping[str, Any] = {}


def within_reach(event: DoubleEvent) -> str:
    """Return what of the real world an event says to be within the target's reach; ""
    for any other."""
    reason = event.detail.get("reason", "?")
    if event.kind == NOT_OFFLINE:
        return f"hosts are looked up for real, not by a resolver of this run: {reason}"
    if event.kind == NOT_HELD_BACK:
        process = event.detail.get("process", "?")
        return f"addresses beyond this machine are within reach of {process}: {reason}"
    return ""


RequestFailure = Literal["", "timed_out", "incomplete"]
"""Of a request with an error: whether it failed by nothing but the time that passed, or by an
answer that lacks what a good one has; "" otherwise."""


class Request(Event, frozen=True, kw_only=True):
    """One request of the load. `latency_s` counts from `intended`, the scheduled send time."""

    intended: float
    latency_s: float
    ok: bool
    status: int | None = None
    error: str | None = None
    failure: RequestFailure = ""
    name: str = ""


class LoadPlanned(Event, frozen=True, kw_only=True):
    """A load begins that sends `cap` requests at most, over all modes, at `rate` a second."""

    cap: int
    rate: float


class GeneratorHeld(Event, frozen=True, kw_only=True):
    """The load generator could not run for `held_s` seconds, until `t`: its machine or process
    stood still, or it had too much to do. `share` of the load was sent by the process concerned."""

    held_s: float
    share: float = 1.0
