"""What Yahoo's chart API really told of currencies and gold, through the adapter.

``meta`` and the answer's ``Date`` are as others recorded them: yahoo-finance2 (MIT,
github.com/gadicc/node-yahoo-finance2, tests/fixtures/http), and two answers that were written down
in August and October 2026. These were asked for days: the quarters of an hour that stand beside
them here are made.
"""

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx
import pytest

from reference_bot.market_data.cache import Cache
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import VenueClient
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues.base import Instrument
from reference_bot.market_data.venues.yahoo import Yahoo, explain

pytestmark = pytest.mark.anyio

QUARTER = 900


def yahoo(body, at: datetime, status: int = 200):
    """An adapter to whom Yahoo gives one answer, at one moment."""
    headers = {"Date": format_datetime(at, usegmt=True)}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = httpx.Response(status, content=content, headers=headers)
    pool = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: told))
    return Yahoo(VenueClient("yahoo", "https://y.test", pool, 1.0, Metrics(), explain), Cache())


def chart(meta, stamps, quote):
    result = {"meta": meta, "timestamp": stamps, "indicators": {"quote": [quote]}}
    return {"chart": {"result": [result], "error": None}}


def quarters(time: int, price: float):
    """Rows of 30 hours up to a moment, and the row that is stamped with it."""
    first = (time - 30 * 3600) // QUARTER * QUARTER
    stamps = [*range(first, time, QUARTER), time]
    return stamps, dict.fromkeys(("open", "high", "low", "close"), [price] * len(stamps))


def of(symbol: str) -> Instrument:
    pair = Pair("XAU", "USD") if symbol == "GC=F" else Pair("EUR", "USD")
    return Instrument("yahoo", "spot", pair, symbol, closes=True)


@pytest.mark.parametrize(
    ("symbol", "at", "time", "price", "closed"),
    [
        ("EURUSD=X", datetime(2025, 2, 20, 11, 47, 41, tzinfo=UTC), 1_740_052_002, 1.0436, None),
        ("GC=F", datetime(2025, 2, 20, 11, 47, 42, tzinfo=UTC), 1_740_051_311, 2952.5, None),
        ("GC=F", datetime(2026, 8, 18, 13, 29, 35, tzinfo=UTC), 1_787_059_182, 4448.4, None),
        # a Saturday: the last quote was 29 minutes and 39 s after 17:00 in New York
        (
            "EURUSD=X",
            datetime(2025, 2, 22, 10, 1, 30, tzinfo=UTC),
            1_740_176_979,
            1.0462,
            datetime(2025, 2, 21, 22, 30, tzinfo=UTC),
        ),
    ],
    ids=["euro", "gold, 12 minutes late", "gold, 10 minutes late", "euro on a Saturday"],
)
async def test_the_price_is_given_as_it_was_told(symbol, at, time, price, closed):
    meta = {"symbol": symbol, "regularMarketTime": time, "regularMarketPrice": price}
    venue = yahoo(chart(meta, *quarters(time, price)), at)
    told = await venue.ticker(of(symbol))
    assert (told.time, told.price, told.open) == (time * 1000, price, price)
    assert told.closed_since == (closed and closed.timestamp() * 1000)
    closes = (await venue.candles(of(symbol), minutes=15, count=97)).closed
    assert closes[-1].end <= time * 1000 + QUARTER * 1000
    assert all(row.start % (QUARTER * 1000) == 0 for row in closes), "no row of the live price"


async def test_a_row_with_the_price_s_own_time_is_the_day_that_runs():
    """5 October 2026, of dollars in euros: one row, stamped with the price's time."""
    meta = {"symbol": "EUR=X", "regularMarketTime": 1_791_193_009, "regularMarketPrice": 0.8914}
    quote = {
        "open": [0.8876000046730042],
        "high": [0.8956000208854675],
        "low": [0.8876000046730042],
        "close": [0.8913999795913696],
        "volume": [0],
    }
    at = datetime(2026, 10, 5, 9, 37, 51, tzinfo=UTC)
    with pytest.raises(VenueError, match="no candles") as caught:
        await yahoo(chart(meta, [1_791_193_009], quote), at).candles(
            of("EURUSD=X"), minutes=1440, count=1
        )
    assert caught.value.reason == "unavailable"


async def test_hours_without_a_trade_have_no_list_at_all():
    """A weekend of one-minute rows: ``timestamp`` is missing, the quote is an empty object."""
    meta = {"regularMarketTime": 1_740_176_979, "regularMarketPrice": 1.0462}
    body = {"chart": {"result": [{"meta": meta, "indicators": {"quote": [{}]}}], "error": None}}
    at = datetime(2025, 2, 22, 10, 1, 30, tzinfo=UTC)
    with pytest.raises(VenueError) as caught:
        await yahoo(body, at).ticker(of("EURUSD=X"))
    assert caught.value.reason == "unavailable"


async def test_a_symbol_that_yahoo_does_not_have_is_not_listed():
    error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
    body = {"chart": {"result": None, "error": error}}
    at = datetime(2026, 9, 12, 8, tzinfo=UTC)
    with pytest.raises(VenueError, match="may be delisted") as caught:
        await yahoo(body, at, 404).ticker(of("XAUEUR=X"))
    assert caught.value.reason == "not_listed"
