"""What is fetched of a venue, and for how long each of it may be given out again."""

from __future__ import annotations

from typing import Any, Final

from reference_bot.api import NOT_THERE
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.keeping import LISTED_FOR, LISTED_STALE, Field
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.takers import AT_MOST, REWRITTEN, SOON, until_next_period
from reference_bot.market_data.venues.base import (
    AccountRatio,
    Candles,
    Directory,
    FundingNow,
    InterestPoint,
    TakerVolumes,
    Ticker,
)

FOUND_FOR: Final = 300.0
"""Seconds for which at the most what a scan found of a symbol is kept: at Hyperliquid a whole scan
takes over a minute.
"""
_CANDLES_FOR: Final = 60.0
_FUNDING_FOR: Final = 5.0
_FUNDING_STALE: Final = 10.0
_LACKING_FOR: Final = 300.0


def until_next_close(candles: Candles, most: float = _CANDLES_FOR) -> float:
    """Return how long closed candles stay as they are: until the next one closes;
    ``most`` seconds at the most."""
    if not candles.closed:
        return 1.0
    length = candles.closed[-1].end - candles.closed[-1].start
    return min(most, max(1.0, (candles.closed[-1].end + length - candles.as_of) / 1000))


def _until_reset(funding: FundingNow) -> float:
    return max(0.0, (funding.next_reset - funding.time) / 1000)


def _funding_lifetime(funding: FundingNow) -> float:
    """Return how long it holds: the rate is the running interval's: at the reset it is
    no longer true."""
    return min(_FUNDING_FOR, _until_reset(funding))


def _funding_stale(funding: FundingNow) -> float:
    return min(_FUNDING_STALE, _until_reset(funding) - _funding_lifetime(funding))


def _lacking(failure: BaseException) -> float:
    """Return for how many seconds it is remembered that a venue does not have something."""
    gone = isinstance(failure, VenueError) and failure.reason in NOT_THERE
    return _LACKING_FOR if gone else 0.0


# A price and its candles are what people act on: never given beyond their lifetime while the venue
# can be asked.
TICKER: Final[Field[Ticker]] = Field("ticker", 2.0, shape=Ticker)
CANDLES: Final[Field[Candles]] = Field("candles", until_next_close, shape=Candles)
INTEREST: Final[Field[InterestPoint]] = Field("open_interest", 5.0, stale=10.0, shape=InterestPoint)
HISTORY: Final[Field[tuple[InterestPoint, ...]]] = Field(
    "open_interest_history",
    60.0,
    stale=60.0,
    shape=tuple[InterestPoint, ...],
    lacking=_lacking,
)
FUNDING: Final[Field[FundingNow]] = Field(
    "funding", _funding_lifetime, stale=_funding_stale, shape=FundingNow
)
TAKERS: Final[Field[TakerVolumes]] = Field(
    "taker_volumes", until_next_period, shape=TakerVolumes, lacking=_lacking
)
ACCOUNTS: Final[Field[AccountRatio]] = Field(
    "account_ratio", 60.0, stale=60.0, shape=AccountRatio, lacking=_lacking
)
DIRECTORY: Final[Field[Directory]] = Field(
    "directory", LISTED_FOR, stale=LISTED_STALE, stale_if_error=True, dated=False, shape=Directory
)
TICKERS: Final[Field[dict[Pair, Ticker]]] = Field(
    "tickers", 10.0, stale=20.0, shape=dict[Pair, Ticker]
)


def _told(seconds: float) -> str:
    """Return a time as a person writes it: ``60 s``, ``5 min``, ``24 h``."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds > 60 and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def _kept(fresh: float, stale: float, what: str = "it is") -> str:
    return f"{_told(fresh)}, and {_told(stale)} more while {what} fetched anew"


def _life(field: Field[Any], what: str = "it is") -> str:
    """Say for how long a field is kept whose times are numbers."""
    fresh, stale = field.lifetime_of(None), field.stale_of(None)
    return _kept(fresh, stale, what) if stale else _told(fresh)


def _at_most(seconds: float) -> str:
    return f"until the next close, {_told(seconds)} at the most"


LIFETIMES: Final[dict[str, str]] = {
    "ticker": _life(TICKER),
    "tickers": _life(TICKERS, "they are"),
    "candles": _at_most(_CANDLES_FOR),
    "what a scan found of a symbol": _at_most(FOUND_FOR),
    "taker_volumes": (
        f"{_at_most(AT_MOST)}; {_told(SOON)} in the {_told(REWRITTEN / 1000)} after one"
    ),
    "account_ratio": _life(ACCOUNTS),
    "open_interest": _life(INTEREST),
    "open_interest_history": _life(HISTORY),
    "funding": f"{_kept(_FUNDING_FOR, _FUNDING_STALE)}, never past the reset",
    "funding interval": _kept(LISTED_FOR, LISTED_STALE),
    "what a venue does not have": _told(_LACKING_FOR),
    "directory": _life(DIRECTORY),
}
"""How long each field may be given out again; in the API's description."""
