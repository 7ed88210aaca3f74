"""What can go wrong at a venue: chosen over the control interface, applied around its true answer.

A fault either takes the answer's place (``error``, ``html``, ``silent``, ``reset``), breaks it on
the wire (``half_body``, ``truncated``), delays it, or changes what it says: a field missing, not a
number, negative, an empty list, one bad row, times long past, a venue clock that is wrong; what a
venue may do to its answers any day: new members, a null, a word that nobody knows yet; or it is
about the venue's limits (`limits`): nearly used up, used up, the address banned; or about the
symbol, which does not trade any more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec

from botproof.doubles.exchanges import limits
from botproof.doubles.exchanges.wire import Venue
from botproof.doubles.kit.errors import ControlError
from botproof.doubles.kit.faults import FaultBook
from botproof.doubles.messages import Response, Transport, json_response


class ExchangeFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One programmed fault, as the control interface takes it.

    ``venue`` ``*`` means every venue; ``path`` is a prefix of the path without the venue's own;
    ``count`` and ``probability`` say how often; ``seconds`` belongs to ``delay``, ``stale``
    (default one hour), ``clock_skew`` (default one hour), ``too_many`` (default 10) and ``ban``
    (default 120); ``field`` to ``missing_field``, ``nan``, ``negative``, ``null``, ``new_word`` and
    ``bad_row``: a name, or the position in a row; several with commas between (not of ``bad_row``),
    and for ``nan`` ``*``: every figure; ``share`` to ``limit_used``: how much of it is told as
    used.
    """

    kind: str
    venue: str = "*"
    path: str = ""
    status: int = 500
    seconds: float | None = None
    count: int | None = None
    probability: float = 1.0
    retry_after: int | None = None
    field: str | None = None
    share: float = 0.9


_HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
_NEW = "NEW_OF_2027"
_SECONDS = range(1_500_000_000, 2_000_000_000)  # from 2017 to 2033
_VOLUMES = frozenset({"volume", "vol", "vol24h", "volCcy24h", "volume24h", "baseVolume", "v"})


class ExchangeFaults(FaultBook[ExchangeFault]):
    """The faults that are programmed now, and who is hit by them."""

    __slots__ = ()

    def add(self, fault: ExchangeFault) -> int:
        """Program a fault; return its number. ControlError says what is wrong with it."""
        if fault.kind not in KINDS:
            raise ControlError(f"kind {fault.kind!r} is none of {', '.join(sorted(KINDS))}")
        return self.program(fault)

    def hit(self, venue: str, path: str) -> ExchangeFault | None:
        """Return the first fault that meets this call, and count it."""
        struck = self.strike(
            lambda fault: fault.venue in ("*", venue) and path.startswith(fault.path)
        )
        return None if struck is None else struck[1]


def apply(fault: ExchangeFault, venue: Venue, answer: Response, *, now: int = 0) -> Response:
    """Return what the client gets instead of the true answer (``delay`` is for the server to
    wait). ``now`` is the venue's clock in ms: a ban says until when.
    """
    if fault.kind == "too_many":
        return limits.too_many(venue, now, 10 if fault.seconds is None else fault.seconds)
    if fault.kind == "ban":
        return limits.banned(venue, now, 120 if fault.seconds is None else fault.seconds)
    return KINDS[fault.kind](fault, venue, answer)


def _same(_: ExchangeFault, __: Venue, answer: Response) -> Response:
    return answer


def _error(fault: ExchangeFault, venue: Venue, _: Response) -> Response:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    answer = json_response(venue.error(fault.status), fault.status)
    return dataclasses.replace(answer, headers=headers)


def _transport(transport: Transport) -> Callable[[ExchangeFault, Venue, Response], Response]:
    def change(_: ExchangeFault, __: Venue, answer: Response) -> Response:
        return dataclasses.replace(answer, transport=transport)

    return change


def _html(_: ExchangeFault, __: Venue, ___: Response) -> Response:
    return Response(200, _HTML, "text/html")


def _truncated(_: ExchangeFault, __: Venue, answer: Response) -> Response:
    return dataclasses.replace(answer, body=answer.body[: len(answer.body) // 2])


def _rewritten(
    change: Callable[[ExchangeFault, Any], Any],
) -> Callable[[ExchangeFault, Venue, Response], Response]:
    def apply_to(fault: ExchangeFault, _: Venue, answer: Response) -> Response:
        if answer.status != 200 or answer.content_type != "application/json":
            return answer
        body = msgspec.json.encode(change(fault, msgspec.json.decode(answer.body)))
        return dataclasses.replace(answer, body=body)

    return apply_to


def _empty(_: ExchangeFault, value: Any) -> Any:
    """Empty every list; an answer without a list becomes an object without members."""
    if isinstance(value, list):
        return []
    if isinstance(value, dict) and any(isinstance(v, list | dict) for v in value.values()):
        return {k: _empty(_, v) if isinstance(v, list | dict) else v for k, v in value.items()}
    return {}


def _on_leaf(match: Callable[[str], bool], change: Callable[[Any], Any], value: Any) -> Any:
    """Change the members that match, at any depth; a row's members are known by their position."""
    if isinstance(value, dict):
        return {
            key: change(inner) if match(key) and not isinstance(inner, list | dict)
            else _on_leaf(match, change, inner)
            for key, inner in value.items()
        }  # fmt: skip
    if isinstance(value, list):
        row = any(not isinstance(inner, list | dict) for inner in value)
        return [
            change(inner) if row and match(str(n)) else _on_leaf(match, change, inner)
            for n, inner in enumerate(value)
        ]
    return value


def _missing(fault: ExchangeFault, value: Any) -> Any:
    names = _fields(fault)
    if isinstance(value, dict):
        return {key: _missing(fault, inner) for key, inner in value.items() if key not in names}
    if isinstance(value, list):
        row = any(not isinstance(inner, list | dict) for inner in value)
        places = [int(name) for name in names if name.isdigit()]
        cut = min(places) if row and places else len(value)
        return [_missing(fault, inner) for inner in value[:cut]]
    return value


def _nan(fault: ExchangeFault, value: Any) -> Any:
    if fault.field == "*":
        return _on_leaf(lambda _: True, lambda old: "NaN" if _is_figure(old) else old, value)
    return _on_leaf(_fields(fault).__contains__, lambda _: "NaN", value)


def _fields(fault: ExchangeFault) -> frozenset[str]:
    return frozenset((fault.field or "lastPrice").split(","))


def _is_figure(value: Any) -> bool:
    """Tell whether it is a number that is no time and no code: what a price, a volume
    or a rate looks like."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    text = str(value)
    return "." in text and text.replace(".", "", 1).lstrip("-").isdigit()


def _negative(fault: ExchangeFault, value: Any) -> Any:
    def change(old: Any) -> Any:
        return f"-{old}" if isinstance(old, str) else -old

    names = _VOLUMES if fault.field is None else _fields(fault)
    return _on_leaf(names.__contains__, change, value)


def _bad_row(fault: ExchangeFault, value: Any) -> Any:
    """Spoil the first row of every list of rows: a null in its place, or in one of its members."""
    if isinstance(value, dict):
        return {key: _bad_row(fault, inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    kinds = {type(row) for row in value}
    if len(value) < 2 or kinds not in ({dict}, {list}):
        return [_bad_row(fault, inner) for inner in value]
    return [_spoilt(value[0], fault.field), *value[1:]]


def _spoilt(row: Any, field: str | None) -> Any:
    if isinstance(row, dict) and field in row:
        return row | {field: None}
    if isinstance(row, list) and field is not None and field.isdigit() and int(field) < len(row):
        return [None if number == int(field) else one for number, one in enumerate(row)]
    return None if field is None else row


def _added(_: ExchangeFault, value: Any) -> Any:
    """Give every object a member and every row of figures a column that nobody knows yet."""
    if isinstance(value, dict):
        return {key: _added(_, inner) for key, inner in value.items()} | {_NEW: {"since": None}}
    if not isinstance(value, list):
        return value
    told = [_added(_, inner) for inner in value]
    row = value and not any(isinstance(inner, list | dict) for inner in value)
    return [*told, _NEW] if row else told


def _new_word(fault: ExchangeFault, value: Any) -> Any:
    return _on_leaf(_fields(fault).__contains__, lambda _: _NEW, value)


def _null(fault: ExchangeFault, value: Any) -> Any:
    return _on_leaf(_fields(fault).__contains__, lambda _: None, value)


def shifted(value: Any, milliseconds: int) -> Any:
    """Return a JSON value with all that reads as a time moved: ms in numbers and texts, seconds in
    numbers.
    """
    if isinstance(value, dict):
        return {key: shifted(inner, milliseconds) for key, inner in value.items()}
    if isinstance(value, list):
        return [shifted(inner, milliseconds) for inner in value]
    if type(value) is int and value in _SECONDS:
        return value + milliseconds // 1000
    text = str(value) if not isinstance(value, bool) else ""
    if text.isdigit() and len(text) == 13:
        moved = int(text) + milliseconds
        return str(moved) if isinstance(value, str) else moved
    return value


def _stale(fault: ExchangeFault, value: Any) -> Any:
    return shifted(value, -int(1000 * (fault.seconds or 3600)))


_SETTLED = "Symbol is on delivering or delivered or settling or closed or pre-trading."
_NOT_TRADING = {
    "binance": (400, {"code": -4108, "msg": _SETTLED}),
    "bybit": (200, {"retCode": 10001, "retMsg": "params error: symbol invalid", "result": {}}),
    "okx": (200, {"code": "51028", "data": [], "msg": "Contract under delivery."}),
    "gate": (400, {"label": "CONTRACT_NOT_FOUND"}),
    "bitget": (400, {"code": "40309", "msg": "The contract has been removed", "data": None}),
    "yahoo": (404, {"chart": {"result": None, "error": {
        "code": "Not Found", "description": "No data found, symbol may be delisted"}}}),
}  # fmt: skip
"""What venues say of a symbol that is settled or gone, as they were recorded or as they document
it. Hyperliquid is asked about all coins at once and refuses none."""


def _not_trading(_: ExchangeFault, venue: Venue, answer: Response) -> Response:
    if venue.name not in _NOT_TRADING:
        return answer
    status, told = _NOT_TRADING[venue.name]
    return json_response(told, status)


KINDS: dict[str, Callable[[ExchangeFault, Venue, Response], Response]] = {
    "delay": _same,
    "clock_skew": _same,
    "error": _error,
    "html": _html,
    "silent": _transport(Transport.SILENT),
    "reset": _transport(Transport.RESET),
    "half_body": _transport(Transport.HALF_BODY),
    "truncated": _truncated,
    "empty": _rewritten(_empty),
    "missing_field": _rewritten(_missing),
    "nan": _rewritten(_nan),
    "negative": _rewritten(_negative),
    "bad_row": _rewritten(_bad_row),
    "added": _rewritten(_added),
    "new_word": _rewritten(_new_word),
    "null": _rewritten(_null),
    "not_trading": _not_trading,
    "stale": _rewritten(_stale),
    "limit_used": _same,
    "too_many": _same,
    "ban": _same,
}
"""Every kind of fault. ``delay``, ``clock_skew`` and ``limit_used`` are the server's to do: it
waits, it asks the venue at another time, it tells other headers; ``too_many`` and ``ban`` are what
`apply` makes of the venue's clock."""
