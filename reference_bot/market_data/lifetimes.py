"""What is fetched of a venue, and for how long each of it may be given out again."""

from __future__ import annotations

from typing import Final

from reference_bot.api import NOT_THERE
from reference_bot.market_data.cache import Field
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.takers import until_next_period
from reference_bot.market_data.venues.base import (
    AccountRatio,
    Candles,
    Directory,
    FundingNow,
    InterestPoint,
    TakerVolumes,
    Ticker,
)


def until_next_close(candles: Candles, most: float = 60.0) -> float:
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
    return min(5.0, _until_reset(funding))


def _funding_stale(funding: FundingNow) -> float:
    return min(10.0, _until_reset(funding) - _funding_lifetime(funding))


def _lacking(failure: BaseException) -> float:
    """Return for how many seconds it is remembered that a venue does not have something."""
    gone = isinstance(failure, VenueError) and failure.reason in NOT_THERE
    return 300.0 if gone else 0.0


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
    "directory", 3600.0, stale=86_400.0, stale_if_error=True, dated=False, shape=Directory
)
TICKERS: Final[Field[dict[Pair, Ticker]]] = Field(
    "tickers", 10.0, stale=20.0, shape=dict[Pair, Ticker]
)

LIFETIMES: Final[dict[str, str]] = {
    "ticker": "2 s",
    "tickers": "10 s, and 20 s more while they are fetched anew",
    "candles": "until the next close, 60 s at the most",
    "what a scan found of a symbol": "until the next close, 5 min at the most",
    "taker_volumes": "until the next close, 60 s at the most; 15 s in the three minutes after one",
    "account_ratio": "60 s, and 60 s more while it is fetched anew",
    "open_interest": "5 s, and 10 s more while it is fetched anew",
    "open_interest_history": "60 s, and 60 s more while it is fetched anew",
    "funding": "5 s, and 10 s more while it is fetched anew, never past the reset",
    "funding interval": "1 h, and 24 h more while it is fetched anew",
    "what a venue does not have": "5 min",
    "directory": "1 h, and 24 h more while it is fetched anew",
}
"""How long each field may be given out again; in the API's description."""
