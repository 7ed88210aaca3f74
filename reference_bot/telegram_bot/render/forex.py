"""What is said of currency pairs and metals: their prices, their closed hours, what is not told.

Pure. A rate is written bare, with the decimals that are usual for its quote currency; metals are in
dollars an ounce. What comes from Yahoo is such a pair.
"""

from dataclasses import dataclass
from typing import Final

from reference_bot.api import PERMANENT, AnswerData, Block, CombinedPrice
from reference_bot.telegram_bot.render import common
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.common import (
    clock,
    gaps,
    market,
    page,
    stale_note,
    title,
    venue,
)
from reference_bot.telegram_bot.render.html import bold, escape

_VENUE: Final = "yahoo"
_METALS: Final = {"XAU": "gold futures", "XAG": "silver futures"}
_PLACES: Final = 5
_PLACES_OF: Final = {"JPY": 3}
_NOT_TOLD: Final = "ℹ️ Yahoo has no volume, order flow, open interest or funding."


@dataclass(frozen=True, slots=True)
class Prices:
    """How the prices of one pair are written: dollars, or ``places`` decimals of its quote."""

    places: int | None = None

    def price(self, value: float | None) -> str:
        """``$111,230.50``, or ``1.17423``."""
        return f.price(value) if self.places is None else f.rate(value, self.places)

    def signed(self, value: float | None) -> str:
        """Return a change of a price: ``+$4,912.10``, or ``-0.00023``."""
        return f.signed_price(value) if self.places is None else f.signed_rate(value, self.places)

    def span(self, low: float | None, high: float | None) -> str:
        """``1.17335 – 1.17727``; not known unless both ends are."""
        if f.known(low) is None or f.known(high) is None:
            return f.NOT_KNOWN
        return f"{self.price(low)} – {self.price(high)}"


def is_forex(venue_code: str) -> bool:
    """Tell whether what a venue tells are currency pairs and metals."""
    return venue_code == _VENUE


def prices_of(symbol: str, venue_code: str) -> Prices:
    """Return how a pair's prices are written."""
    base, _, quote = symbol.partition("/")
    if not is_forex(venue_code) or base in _METALS:
        return Prices()
    return Prices(_PLACES_OF.get(quote, _PLACES))


def market_of(symbol: str, venue_code: str, market_code: str) -> str:
    """``forex``, ``gold futures``, or the market of a coin, escaped."""
    if not is_forex(venue_code):
        return market(market_code)
    return _METALS.get(symbol.partition("/")[0], "forex")


def closed(block: Block | None) -> list[str]:
    """``🔒 The market closed at …``; nothing while it trades."""
    if block is None or block.closed_since is None:
        return []
    since = f.moment(block.closed_since)
    return [f"🔒 The market closed at {since}: this is its last price, with the 24h before it."]


def notes(data: AnswerData, venue_code: str) -> list[str]:
    """Return what an answer lacks: of a currency pair what is told of none, and what failed."""
    if not is_forex(venue_code):
        return common.notes(data)
    return [
        _NOT_TOLD,
        *(stale_note(data) or gaps([gap for gap in data.gaps if gap.reason not in PERMANENT])),
    ]


def render_forex(data: CombinedPrice) -> str:
    """Return the answer to ``/price`` for a currency pair or metal, as HTML."""
    about = (market_of(data.symbol, data.venue, "spot"), venue(data.venue))
    return page(
        [title("📊", escape(data.symbol), *about)],
        _rates(data),
        closed(data.spot),
        [*notes(data, data.venue), clock(data.time)],
    )


def _rates(data: CombinedPrice) -> list[str]:
    block, prices = data.spot, prices_of(data.symbol, data.venue)
    if block is None:
        return ["Price: not available"]
    move = f"{f.lit_percent(block.change_24h_pct)} ({prices.signed(block.change_24h)})"
    return [
        f"Price: {bold(prices.price(block.price))}",
        f"24h change: {move}",
        f"24h range: {prices.span(block.low_24h, block.high_24h)}",
    ]
