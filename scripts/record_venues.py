"""Ask the real venues once, keep what they told, and say where the exchange double differs.

    python scripts/record_venues.py --out recorded            # needs a network: some 25 calls
    python scripts/record_venues.py --only gate --out recorded

Each public call that market-data's adapters make is made once, one a second and venue. The answers
are cut to a few rows and stored under ``OUT/VENUE/CALL.json``, values as they came. Then the double
is asked the same, and differences of shape (members, types, lengths of rows), order (oldest or
newest first) and units (seconds or milliseconds, what a turnover is of) are printed. Exit code: 0
without differences, 1 with some, 2 when a venue could not be asked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.server import ExchangeDouble

_PAUSE: Final = 1.0
_ROWS: Final = 3
_REAL: Final = {
    "binance/spot": "https://api.binance.com",
    "binance/futures": "https://fapi.binance.com",
    "binance/coin": "https://dapi.binance.com",
    "bybit": "https://api.bybit.com",
    "okx": "https://www.okx.com",
    "gate": "https://api.gateio.ws",
    "bitget": "https://api.bitget.com",
    "hyperliquid": "https://api.hyperliquid.xyz",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One question. ``of`` is the API; ``worth`` names members of a row: first = second x third."""

    of: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    worth: tuple[str | int, str | int, str | int] | None = None

    @property
    def name(self) -> str:
        """What its file is called."""
        named = self.path if self.body is None else str(self.body).split("'")[3]
        words = [*named.strip("/").split("/")[-2:], *self.query.values()]
        return "_".join(words).replace("/", "-")


def _linear(**more: str) -> dict[str, str]:
    return {"category": "linear", "symbol": "BTCUSDT", **more}


def _usdt(**more: str) -> dict[str, str]:
    return {"productType": "USDT-FUTURES", "symbol": "BTCUSDT", **more}


_COIN_M: Final = {"productType": "COIN-FUTURES", "symbol": "BTCUSD", "granularity": "15m"}
_BTC: Final = {"symbol": "BTCUSDT"}
_SWAP: Final = {"instId": "BTC-USDT-SWAP"}
_CONTRACT: Final = {"contract": "BTC_USDT"}
_KLINES: Final = {"symbol": "BTCUSDT", "interval": "15m", "limit": "4"}
_RUBIK: Final = "/api/v5/rubik/stat/"
CALLS: Final = (
    Call("binance/spot", "/api/v3/ticker/24hr", _BTC, worth=("quoteVolume", "volume", "lastPrice")),
    Call("binance/spot", "/api/v3/klines", _KLINES, worth=(7, 5, 4)),
    Call("binance/futures", "/fapi/v1/klines", _KLINES, worth=(7, 5, 4)),
    Call("binance/futures", "/fapi/v1/openInterest", _BTC),
    Call("binance/futures", "/fapi/v1/premiumIndex", _BTC),
    Call("binance/futures", "/fapi/v1/fundingInfo"),
    Call("binance/futures", "/fapi/v1/exchangeInfo"),
    Call("binance/coin", "/dapi/v1/openInterest", {"symbol": "BTCUSD_PERP"}),
    Call("bybit", "/v5/market/tickers", _linear(), worth=("turnover24h", "volume24h", "lastPrice")),
    Call("bybit", "/v5/market/kline", _linear(interval="15", limit="4"), worth=(6, 5, 4)),
    Call("bybit", "/v5/market/open-interest", _linear(intervalTime="15min", limit="4")),
    Call("bybit", "/v5/market/instruments-info", _linear()),
    Call("okx", "/api/v5/market/ticker", _SWAP),
    Call("okx", "/api/v5/market/candles", _SWAP | {"bar": "15m", "limit": "4"}, worth=(7, 6, 4)),
    Call("okx", "/api/v5/public/open-interest", _SWAP | {"instType": "SWAP"}),
    Call("okx", "/api/v5/public/funding-rate", _SWAP),
    Call("okx", f"{_RUBIK}taker-volume-contract", _SWAP | {"period": "15m", "unit": "0"}),
    Call("gate", "/api/v4/futures/usdt/tickers", _CONTRACT,
         worth=("volume_24h_quote", "volume_24h_base", "last")),
    Call("gate", "/api/v4/futures/usdt/contracts/BTC_USDT"),
    Call("gate", "/api/v4/futures/usdt/contract_stats", _CONTRACT | {"interval": "15m"}),
    Call("bitget", "/api/v2/mix/market/ticker", _usdt(),
         worth=("quoteVolume", "baseVolume", "lastPr")),
    Call("bitget", "/api/v2/mix/market/candles", _usdt(granularity="15m"), worth=(6, 5, 4)),
    Call("bitget", "/api/v2/mix/market/candles", _COIN_M, worth=(5, 6, 4)),
    Call("bitget", "/api/v2/mix/market/open-interest", _usdt()),
    Call("bitget", "/api/v2/mix/market/current-fund-rate", _usdt()),
    Call("bitget", "/api/v2/mix/market/taker-buy-sell", _BTC | {"period": "15m"}),
    Call("hyperliquid", "/info", body={"type": "metaAndAssetCtxs"}),
    Call("hyperliquid", "/info", body={"type": "predictedFundings"}),
)  # fmt: skip


def cut(value: Any) -> Any:
    """Return an answer with the first rows of every list of rows."""
    if isinstance(value, dict):
        return {key: cut(inner) for key, inner in value.items()}
    if isinstance(value, list):
        rows = len(value) > _ROWS and all(isinstance(one, dict | list) for one in value)
        return [cut(inner) for inner in (value[:_ROWS] if rows else value)]
    return value


def differences(real: Any, ours: Any, where: str = "$") -> Iterator[str]:
    """Yield where the double's answer has another shape than the real one."""
    if isinstance(real, dict) and isinstance(ours, dict):
        for key in real.keys() - ours.keys():
            yield f"{where}.{key}: the double does not tell it ({_kind(real[key])})"
        for key in ours.keys() - real.keys():
            yield f"{where}.{key}: the venue does not tell it"
        for key in real.keys() & ours.keys():
            yield from differences(real[key], ours[key], f"{where}.{key}")
    elif isinstance(real, list) and isinstance(ours, list):
        yield from _rows(real, ours, where)
    elif _kind(real) != _kind(ours) and None not in (real, ours) and "" not in (real, ours):
        yield f"{where}: the venue writes a {_kind(real)}, the double a {_kind(ours)}"
    elif _scale(real) != _scale(ours):
        yield f"{where}: the venue tells {_scale(real)}, the double {_scale(ours)}"


def _rows(real: list[Any], ours: list[Any], where: str) -> Iterator[str]:
    if not real or not ours:
        if bool(real) != bool(ours):
            yield f"{where}: {len(real)} rows at the venue, {len(ours)} at the double"
        return
    if not isinstance(real[0], dict | list) and len(real) != len(ours):
        yield f"{where}: rows of {len(real)} at the venue, of {len(ours)} at the double"
    if (mine := _order(ours)) and (theirs := _order(real)) and mine != theirs:
        yield f"{where}: the venue begins with the {theirs}, the double with the {mine}"
    if isinstance(real[0], dict | list):
        yield from differences(real[0], ours[0], f"{where}[0]")
    else:
        for number, (one, other) in enumerate(zip(real, ours, strict=False)):
            yield from differences(one, other, f"{where}[{number}]")


def _kind(value: Any) -> str:
    return {bool: "boolean", int: "number", float: "number", str: "text"}.get(
        type(value), type(value).__name__
    )


def _scale(value: Any) -> str | None:
    """Tell what unit of time a value is in; None when it is no time."""
    text = str(value)
    if isinstance(value, bool) or not text.isdigit() or text[0] != "1":
        return None
    return {10: "seconds", 13: "milliseconds"}.get(len(text))


def _order(rows: list[Any]) -> str | None:
    """Tell which row is first by the first time that changes; None when none does."""
    for first, last in zip(_leaves(rows[0]), _leaves(rows[-1]), strict=False):
        if _scale(first) and _scale(last) and first != last:
            return "oldest" if int(first) < int(last) else "newest"
    return None


def _leaves(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        if not isinstance(one, dict | list):
            yield one


def unit(call: Call, answer: Any) -> str | None:
    """Say when what should be first = second x third is not, within a quarter."""
    if call.worth is None:
        return None
    row = _first_row(answer, call.worth[0])
    if row is None:
        return f"no row has {call.worth[0]}"
    worth, size, price = (float(row[name]) for name in call.worth)
    if size * price == 0 or math.isclose(worth, size * price, rel_tol=0.25):
        return None
    return f"{call.worth[0]} {worth:g} is not {call.worth[1]} {size:g} x {call.worth[2]} {price:g}"


def _first_row(value: Any, name: str | int) -> Any:
    if isinstance(name, str) and isinstance(value, dict) and name in value:
        return value
    plain = isinstance(value, list) and value and not isinstance(value[0], dict | list)
    if isinstance(name, int) and plain and len(value) > name:
        return value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((row for one in inner if (row := _first_row(one, name)) is not None), None)


async def _ask(client: httpx.AsyncClient, base: str, call: Call) -> Any:
    if call.body is not None:
        response = await client.post(base + call.path, json=call.body)
    else:
        response = await client.get(base + call.path, params=dict(call.query))
    response.raise_for_status()
    return response.json()


async def record(calls: Sequence[Call], bases: Mapping[str, str], out: Path, pause: float) -> int:
    """Make the calls, store the answers, print the differences; returns the exit code."""
    found = unasked = 0
    double = ExchangeDouble(Market(7))
    async with (
        aclosing(double),
        await double.listen() as server,
        httpx.AsyncClient(timeout=20.0, trust_env=False) as client,
    ):
        for number, call in enumerate(calls, 1):
            print(f"[{number}/{len(calls)}] {call.of} {call.name}", file=sys.stderr)
            try:
                real = await _ask(client, bases[call.of], call)
            except (httpx.HTTPError, json.JSONDecodeError) as error:
                print(f"{call.of} {call.name}: not asked: {error or type(error).__name__}")
                unasked += 1
                continue
            kept = out / call.of / f"{call.name}.json"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(cut(real), separators=(",", ":")))
            ours = await _ask(client, f"{server.url}/{call.of}", call)
            lines = [*differences(real, ours)]
            lines += [f"units: at the venue {text}" for text in [unit(call, real)] if text]
            for line in lines:
                print(f"{call.of} {call.name}: {line}")
            found += len(lines)
            await asyncio.sleep(pause)
    print(f"{len(calls) - unasked} calls recorded in {out}, {found} differences, {unasked} failed")
    return 2 if unasked else int(found > 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=Path(time.strftime("recorded-%Y-%m-%d")))
    parser.add_argument(
        "--only", action="append", metavar="VENUE", help="ask this venue; repeatable"
    )
    parser.add_argument("--base", metavar="URL", help="ask URL/VENUE instead of the real venues")
    parser.add_argument("--pause", type=float, default=_PAUSE, help="seconds between two calls")
    args = parser.parse_args(arguments)
    bases = {of: f"{args.base}/{of}" for of in _REAL} if args.base else dict(_REAL)
    calls = [call for call in CALLS if not args.only or call.of.partition("/")[0] in args.only]
    if not calls:
        parser.error(f"no call to {', '.join(args.only)}; there are {', '.join(_REAL)}")
    return asyncio.run(record(calls, bases, args.out, args.pause))


if __name__ == "__main__":
    raise SystemExit(main())
