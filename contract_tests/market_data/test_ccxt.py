"""A client that nobody here wrote reads the double, and reads the same as our adapters.

ccxt pins its dependencies to exact versions that differ from this project's, so it lives in an
environment of its own; where it is not installed these tests are skipped.
"""

from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from reference_bot.market_data.settings import KNOWN_VENUES
from reference_bot.market_data.symbols import Pair

ccxt = pytest.importorskip("ccxt", reason="needs ccxt, in an environment of its own")

pytestmark = pytest.mark.anyio

BASES = ("BTC", "XRP", "SHIB")
OPTIONS: dict[str, dict[str, Any]] = {
    "binance": {"fetchMarkets": {"types": ["spot", "linear"]}},
    "bybit": {"fetchMarkets": {"types": ["spot", "linear"]}},
    "okx": {"fetchMarkets": {"types": ["spot", "swap"]}},
    "gate": {
        "fetchMarkets": {"types": ["spot", "swap"]},
        "swap": {"fetchMarkets": {"settlementCurrencies": ["usdt"]}},
    },
    "bitget": {"fetchMarkets": {"types": ["spot", "swap"]}},
    "hyperliquid": {"fetchMarkets": {"types": ["spot", "swap"]}},
}
RATIO_PERIODS = {"bybit": "5min"}
"""Bybit's own words: ccxt hands the timeframe on."""
MULTIPLES = {
    ("binance", "SHIB"): "1000SHIB",
    ("bybit", "SHIB"): "SHIB1000",
    ("hyperliquid", "SHIB"): "KSHIB",
}


def _pointed_at(value: Any, base: str, venue: str) -> Any:
    """Return ccxt's table of URLs with every host replaced by the double."""
    if isinstance(value, dict):
        return {key: _pointed_at(inner, base, venue) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    parts = urlsplit(value.replace("{hostname}", "venue.example"))
    prefix = f"/{venue}"
    if venue == "binance":
        sides = {"fapi": "/futures", "dapi": "/coin"}
        prefix += sides.get(parts.netloc.partition(".")[0], "/spot")
    return base + prefix + parts.path


def _client(base: str, venue: str):
    client = getattr(ccxt, venue)({"timeout": 20_000})
    client.urls["api"] = _pointed_at(client.urls["api"], base, venue)
    client.options.update(OPTIONS[venue])
    client.options["fetchCurrencies"] = False
    client.has["fetchCurrencies"] = False
    return client


def _read(base_url: str, venue: str, quote: str, now: int) -> dict[tuple[str, str], Any]:
    """Read everything through ccxt, in a thread of its own."""
    client = _client(base_url, venue)
    try:
        client.load_markets()
        found: dict[tuple[str, str], Any] = {}
        for base in BASES:
            name = MULTIPLES.get((venue, base), base)
            for kind, symbol in (("spot", f"{base}/{quote}"), ("perp", f"{name}/{quote}:{quote}")):
                if symbol not in client.markets:
                    continue
                since = now - 4 * 900_000 if venue == "hyperliquid" else None
                found[base, kind] = {
                    "market": client.market(symbol),
                    "ticker": client.fetch_ticker(symbol),
                    "candles": client.fetch_ohlcv(symbol, "15m", since=since, limit=4),
                }
                if kind == "perp" and client.has["fetchOpenInterest"]:  # Gate: not in ccxt
                    found[base, kind]["interest"] = client.fetch_open_interest(symbol)
                if kind == "perp":
                    found[base, kind]["funding"] = client.fetch_funding_rate(symbol)
                    if client.has["fetchLongShortRatioHistory"]:
                        timeframe = RATIO_PERIODS.get(venue, "5m")
                        found[base, kind]["accounts"] = client.fetch_long_short_ratio_history(
                            symbol, timeframe, limit=3
                        )
        return found
    finally:
        client.session.close()


@pytest.mark.parametrize("venue", KNOWN_VENUES)
async def test_ccxt_reads_what_the_adapters_read(open_stack, now, venue):
    async with open_stack(EXCHANGES=venue, DEADLINE_SECONDS="20") as stack:
        service = stack.api.service
        one = service.by_name[venue]
        quote = one.quotes[0]
        theirs = await anyio.to_thread.run_sync(_read, stack.url, venue, quote, now)
        assert ("BTC", "spot") in theirs
        assert {("BTC", "perp"), ("XRP", "perp"), ("SHIB", "perp")} <= theirs.keys()
        for (base, kind), read in theirs.items():
            listed = (await service.directory(one, kind)).value.by_pair
            instrument = listed[Pair(base, quote)]
            unit = _unit(read["market"], instrument)
            ours = await one.ticker(instrument)
            _same_ticker(venue, kind, read, ours, unit)
            await _same_candles(one, instrument, read, unit)
            if kind == "perp":
                await _same_positions(one, instrument, read, unit)


def _unit(market: dict[str, Any], instrument: Any) -> float:
    """How many coins ccxt's unit of this market is: 1,000 for 1000SHIB, else one."""
    return instrument.unit if market["base"] != instrument.pair.base else 1.0


def _same_ticker(venue: str, kind: str, read: Any, ours: Any, unit: float) -> None:
    ticker = read["ticker"]
    assert ticker["last"] / unit == pytest.approx(ours.price, rel=1e-9)
    if ticker["quoteVolume"] is not None:
        assert ticker["quoteVolume"] == pytest.approx(ours.turnover, rel=1e-9)
    if ticker["baseVolume"] is not None:
        told = ticker["baseVolume"] * unit
        if venue == "okx" and kind == "perp":  # ccxt tells contracts here
            told *= read["market"]["contractSize"]
        assert told == pytest.approx(ours.volume, rel=1e-9)


async def _same_candles(one: Any, instrument: Any, read: Any, unit: float) -> None:
    ours = {row.start: row for row in (await one.candles(instrument, minutes=15, count=4)).closed}
    same = [row for row in read["candles"] if row[0] in ours]
    assert len(same) >= 2
    size = read["market"]["contractSize"] or 1.0
    for start, opened, high, low, close, volume in same:
        row = ours[start]
        told = [opened / unit, high / unit, low / unit, close / unit]
        assert told == pytest.approx([row.open, row.high, row.low, row.close], rel=1e-9)
        coins = {volume * unit, volume * size * unit}  # contracts on some venues, coins on others
        assert any(one == pytest.approx(row.volume, rel=1e-9) for one in coins)


async def _same_positions(one: Any, instrument: Any, read: Any, unit: float) -> None:
    interest, funding = await one.open_interest(instrument), await one.funding(instrument)
    if "interest" in read:
        # ccxt gives on Bybit's sum of both sides
        told = read["interest"]["openInterestAmount"] * unit / (2 if one.name == "bybit" else 1)
        size = read["market"]["contractSize"] or 1.0
        # Bybit's is the last point of its history: older than ours by up to an hour
        close = 0.02 if one.name == "bybit" else 1e-9
        assert any(
            amount == pytest.approx(interest.amount, rel=close) for amount in (told, told * size)
        )
    assert read["funding"]["fundingRate"] == funding.rate
    assert ("accounts" in read) == (one.name not in ("gate", "hyperliquid"))
    if "accounts" in read:
        await _same_accounts(one, instrument, read["accounts"])


async def _same_accounts(one: Any, instrument: Any, rows: Any) -> None:
    ours = await one.account_ratio(instrument)
    [told] = [row for row in rows if row["timestamp"] == ours.time]
    assert ours.time == max(row["timestamp"] for row in rows)
    # Binance and Bitget round the ratio to four decimals; we divide the shares ourselves
    rounded = 5.1e-5 if one.name in ("binance", "bitget") else 1e-9
    assert told["longShortRatio"] == pytest.approx(ours.long_short, abs=rounded)


# -- contracts margined in the coin ----------------------------------------------------------------

INVERSE = ("binance", "bybit", "okx", "gate", "bitget")
COIN_OPTIONS: dict[str, dict[str, Any]] = {
    "binance": {"fetchMarkets": {"types": ["inverse"]}},
    "bybit": {"fetchMarkets": {"types": ["inverse"]}},
    "gate": {
        "fetchMarkets": {"types": ["swap"]},
        "swap": {"fetchMarkets": {"settlementCurrencies": ["btc"]}},
    },
}


def _read_inverse(base_url: str, venue: str) -> dict[str, Any]:
    """Read contracts margined in the coin through ccxt, in a thread of its own."""
    client = _client(base_url, venue)
    client.options.update(COIN_OPTIONS.get(venue, {}))
    try:
        client.load_markets()
        found: dict[str, Any] = {}
        for base in ("BTC", "XRP"):
            symbol = f"{base}/USD:{base}"
            if symbol not in client.markets:
                continue
            found[base] = {
                "market": client.market(symbol),
                "ticker": client.fetch_ticker(symbol),
                "candles": client.fetch_ohlcv(symbol, "15m", limit=4),
                "funding": client.fetch_funding_rate(symbol),
            }
            if client.has["fetchOpenInterest"]:  # Gate: not in ccxt
                found[base]["interest"] = client.fetch_open_interest(symbol)
        return found
    finally:
        client.session.close()


@pytest.mark.parametrize("venue", INVERSE)
async def test_ccxt_reads_the_contracts_margined_in_the_coin(open_stack, venue):
    async with open_stack(EXCHANGES=venue, DEADLINE_SECONDS="20") as stack:
        theirs = await anyio.to_thread.run_sync(_read_inverse, stack.url, venue)
        one = stack.api.service.by_name[venue]
        listed = (await stack.api.service.directory(one, "inverse")).value.by_pair
        assert theirs.keys() == ({"BTC"} if venue == "gate" else {"BTC", "XRP"})
        for base, read in theirs.items():
            instrument = listed[Pair(base, "USD")]
            market = read["market"]
            assert (market["inverse"], market["settle"]) == (True, base)
            assert market["contractSize"] == instrument.unit
            _same_volumes(venue, read["ticker"], await one.ticker(instrument), instrument.unit)
            if venue != "gate":  # its candles tell dollars: ours are unavailable
                await _same_bars(one, instrument, read["candles"])
            _same_interest(venue, read.get("interest"), await one.open_interest(instrument), market)
            funding = await one.funding(instrument)
            assert read["funding"]["fundingRate"] == funding.rate
            if read["funding"]["markPrice"] is not None:
                assert read["funding"]["markPrice"] == pytest.approx(funding.mark_price, rel=1e-12)


def _same_volumes(venue: str, told: Any, ours: Any, dollars: float) -> None:
    """Compare with what ccxt calls base and quote volume, which differs from venue to venue."""
    assert told["last"] == ours.price
    base, quote = told["baseVolume"], told["quoteVolume"]
    if venue == "bybit":  # it hands on volume and turnover as they are: dollars and coins
        base, quote = quote, base
    if venue == "okx":  # contracts
        assert base * dollars == ours.turnover
        return
    assert base == pytest.approx(ours.volume, rel=1e-12)
    # Binance tells no dollars: ccxt multiplies coins by the average price, which is rounded
    close = 1e-5 if venue == "binance" else 1e-12
    assert quote == pytest.approx(ours.turnover, rel=close)


async def _same_bars(one: Any, instrument: Any, rows: Any) -> None:
    ours = {row.start: row for row in (await one.candles(instrument, minutes=15, count=4)).closed}
    same = [row for row in rows if row[0] in ours]
    assert len(same) >= 2
    for start, opened, high, low, close, volume in same:
        row = ours[start]
        assert [opened, high, low, close] == [row.open, row.high, row.low, row.close]
        true = row.volume
        assert volume == pytest.approx(true, rel=1e-12)


def _same_interest(venue: str, told: Any, ours: Any, market: Any) -> None:
    if venue == "gate":  # not in ccxt
        assert told is None
    elif venue == "bitget":
        assert told["openInterestAmount"] == ours.amount
    elif venue == "bybit":  # the last point of its history, in dollars: up to an hour old
        # and of both sides
        assert told["openInterestValue"] / 2 == pytest.approx(ours.value, rel=0.02)
    else:
        assert told["openInterestAmount"] * market["contractSize"] == ours.value
