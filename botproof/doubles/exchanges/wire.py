"""What the venues' wire formats share: exact decimals as text, and the face of a venue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from botproof.doubles.exchanges.market import Market
from botproof.doubles.messages import Response, json_response


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one venue: ``path`` without the venue's prefix, ``now`` the double's clock in
    ms.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    now: int
    raw_query: str = ""


class Venue(Protocol):
    """One exchange: tells the market in its own wire format."""

    name: str

    def answer(self, market: Market, call: Call) -> Response:
        """Answer one call, refusals included."""

    def error(self, status: int) -> object:
        """Return the JSON body with which this venue tells of a failure that has this status."""


@dataclass(frozen=True, slots=True)
class Refusal(Exception):  # noqa: N818 - a venue's refusal is an answer, not an error of the double
    """A venue's answer to a request that it does not take; raised inside a venue, sent as it is."""

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)
    served: bool = True
    """False where the real venue may well answer what this double does not know."""

    def response(self) -> Response:
        """Return what goes over the wire."""
        plain = json_response(self.body, self.status)
        return replace(plain, headers=dict(self.headers), served=self.served)

    def unserved(self) -> Refusal:
        """Return the same refusal of something that only this double does not know."""
        return replace(self, served=False)


def decimal_text(number: int, places: int, least: int = 0) -> str:
    """Write ``number`` x 10^-``places`` exactly, with at least ``least`` decimals.

    >>> decimal_text(9500010, 2), decimal_text(12, 5, 8), decimal_text(7, -3)
    ('95000.10', '0.00012000', '7000')
    """
    if places <= 0:
        whole, fraction = str(abs(number) * 10**-places), ""
    else:
        digits = str(abs(number)).rjust(places + 1, "0")
        whole, fraction = digits[:-places], digits[-places:]
    fraction = fraction.ljust(least, "0")
    sign = "-" if number < 0 else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def ratio_text(numerator: int, denominator: int, places: int) -> str:
    """Write a quotient rounded half away from zero to ``places``; zero when nothing is divided by.

    >>> ratio_text(2, 3, 3), ratio_text(-1, 8, 2), ratio_text(1, 0, 2)
    ('0.667', '-0.13', '0.00')
    """
    if denominator == 0:
        return decimal_text(0, places)
    scaled = (2 * abs(numerator) * 10**places + denominator) // (2 * denominator)
    return decimal_text(-scaled if numerator < 0 else scaled, places)


def integer(text: str | None) -> int | None:
    """Return the number in a parameter that must be digits; None when it was not sent.

    Raises ValueError on anything else.
    """
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ValueError(text)
    return int(text)
