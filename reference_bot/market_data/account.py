"""Questions about one's own Binance account: signed, read-only, to the testnet where that is set.

Source: binance-spot-api-docs, rest-api (account); derivatives/usds-margined-futures, account and
trade (Futures Account Balance V3, Position Information V3, Get Income History). The key travels in
a header, the signature is the last parameter; neither is ever part of an error or a log line.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Meta, Struct

from reference_bot.account_api import AssetBalance, Balance, Pnl, Position, Positions
from reference_bot.api import Missing
from reference_bot.market_data.decoding import Decodes
from reference_bot.market_data.errors import AnswerError, VenueError, without_venues
from reference_bot.market_data.http import VenueClient
from reference_bot.market_data.service import Answer
from reference_bot.market_data.symbols import split_joined, split_multiple
from reference_bot.market_data.venues.fields import Amount
from reference_bot.market_data.waiting import Late, gather_until

T = TypeVar("T")

_Signed = Annotated[float, Meta(gt=-1e15, lt=1e15)]
_DAY: Final = 86_400_000
_MOST_ENTRIES: Final = 1000
_WINDOW: Final = 5000
_DOLLARS: Final = frozenset({"USDT", "USDC", "FDUSD", "BUSD", "USD1"})
"""What income is counted in; fees may be paid in BNB, and some contracts settle in a coin."""
_OUT_OF_TIME: Final = -1021
"""What Binance says of a timestamp outside of the window, or over a second ahead."""


class _SpotAsset(Struct, frozen=True):
    asset: str
    free: Amount
    locked: Amount


class _SpotAccount(Struct, frozen=True):
    balances: list[_SpotAsset]


class _FuturesAsset(Struct, frozen=True, rename="camel"):
    asset: str
    balance: _Signed
    available_balance: _Signed
    cross_un_pnl: _Signed


class _PositionRisk(Struct, frozen=True, rename="camel"):
    symbol: str
    position_amt: _Signed
    entry_price: Amount
    mark_price: Amount
    liquidation_price: _Signed
    notional: _Signed
    un_realized_profit: _Signed
    margin_asset: str


class _Income(Struct, frozen=True, rename="camel"):
    income_type: str
    income: _Signed
    asset: str


_TIME = msgspec.json.Decoder(dict[str, int])
_SPOT = msgspec.json.Decoder(_SpotAccount, strict=False)
_FUTURES = msgspec.json.Decoder(list[_FuturesAsset], strict=False)
_POSITIONS = msgspec.json.Decoder(list[_PositionRisk], strict=False)
_INCOME = msgspec.json.Decoder(list[_Income], strict=False)


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """An API key and its secret; they have no ``repr``."""

    key: str
    secret: str


class Account:
    """The account of `keys`; every question is refused with 503 when there are none."""

    def __init__(
        self,
        spot: VenueClient,
        futures: VenueClient,
        keys: Keys | None,
        *,
        testnet: bool,
        deadline: float,
    ) -> None:
        self._spot = spot
        self._futures = futures
        self._keys = keys
        self._testnet = testnet
        self._deadline = deadline

    async def balance(self) -> Answer[Balance]:
        """Return the assets of spot and futures."""
        found, missing = await self._ask(
            {
                "spot": self._get(self._spot, "/api/v3/account", _SPOT),
                "futures": self._get(self._futures, "/fapi/v3/balance", _FUTURES),
            }
        )
        spot: _SpotAccount | None = found.get("spot")
        futures: list[_FuturesAsset] | None = found.get("futures")
        if spot is None and futures is None:
            _failed(missing)
        answer = Balance(
            venue="binance",
            testnet=self._testnet,
            time=self._futures.now(),
            spot=None if spot is None else _spot_assets(spot),
            futures=None if futures is None else _futures_assets(futures),
        )
        return Answer(answer, 2.0, missing)

    async def positions(self) -> Answer[Positions]:
        """Return the open positions."""
        found, missing = await self._ask(
            {"positions": self._get(self._futures, "/fapi/v3/positionRisk", _POSITIONS)}
        )
        rows: list[_PositionRisk] | None = found.get("positions")
        if rows is None:
            _failed(missing)
        kept = sorted(
            (_position(row) for row in rows if row.position_amt != 0),
            key=lambda position: abs(position.notional),
            reverse=True,
        )
        answer = Positions(
            venue="binance",
            testnet=self._testnet,
            time=self._futures.now(),
            positions=tuple(kept),
            unrealised=_unrealised(rows),
        )
        return Answer(answer, 2.0)

    async def pnl(self, days: int) -> Answer[Pnl]:
        """Return what was gained and paid in the last days, and what is open."""
        found, missing = await self._ask(
            {
                "income": self._income(days),
                "positions": self._get(self._futures, "/fapi/v3/positionRisk", _POSITIONS),
            }
        )
        if "income" not in found:
            _failed(missing)
        since, income = found["income"]
        entries = [entry for entry in income if entry.asset in _DOLLARS]
        missing += _not_in_dollars(income)
        open_: list[_PositionRisk] | None = found.get("positions")
        sums = {
            kind: math.fsum(entry.income for entry in entries if entry.income_type == kind)
            for kind in ("REALIZED_PNL", "FUNDING_FEE", "COMMISSION")
        }
        everything = math.fsum(entry.income for entry in entries if entry.income_type != "TRANSFER")
        answer = Pnl(
            venue="binance",
            testnet=self._testnet,
            since=since,
            time=self._futures.now(),
            realised=sums["REALIZED_PNL"],
            funding=sums["FUNDING_FEE"],
            commission=sums["COMMISSION"],
            other=everything - math.fsum(sums.values()),
            net=everything,
            unrealised=None if open_ is None else _unrealised(open_),
            entries=len(income),
            complete=len(income) < _MOST_ENTRIES,
        )
        return Answer(answer, 2.0, missing)

    async def _income(self, days: int) -> tuple[int, list[_Income]]:
        """Return the entries of the last days by the venue's clock, and when they begin."""
        # Only a time that was just heard is good to the second: people read it.
        await self._hear(self._futures, anew=True)
        since = self._futures.now() - days * _DAY
        params = {"startTime": since, "limit": _MOST_ENTRIES}
        return since, await self._get(self._futures, "/fapi/v1/income", _INCOME, params)

    async def _hear(self, client: VenueClient, *, anew: bool = False) -> None:
        """Learn the venue's time: a signature is good for five seconds of it."""
        if (anew or not client.knows_the_time) and self._keys is not None:
            path = "/api/v3/time" if client is self._spot else "/fapi/v1/time"
            await client.get(path, _TIME)

    async def _ask(
        self, jobs: Mapping[str, Coroutine[Any, Any, Any]]
    ) -> tuple[dict[str, Any], tuple[Missing, ...]]:
        end = asyncio.get_running_loop().time() + self._deadline
        outcomes = await gather_until(end, jobs)
        found, missing = {}, []
        for name, outcome in outcomes.items():
            if isinstance(outcome, VenueError):
                missing.append(Missing(name, "binance", outcome.reason, outcome.message))
            elif isinstance(outcome, Late):
                missing.append(
                    Missing(name, "binance", "timeout", f"no answer in {self._deadline:g} s")
                )
            elif isinstance(outcome, BaseException):  # no keys, or a bug
                raise outcome
            else:
                found[name] = outcome
        return found, tuple(missing)

    async def _get(
        self,
        client: VenueClient,
        path: str,
        decoder: Decodes[T],
        params: Mapping[str, str | int] | None = None,
    ) -> T:
        try:
            return await self._signed(client, path, decoder, params)
        except VenueError as error:
            if error.code != _OUT_OF_TIME:
                raise
        # One of the two clocks was set, or stood still: hear the venue's time again.
        await self._hear(client, anew=True)
        return await self._signed(client, path, decoder, params)

    async def _signed(
        self,
        client: VenueClient,
        path: str,
        decoder: Decodes[T],
        params: Mapping[str, str | int] | None,
    ) -> T:
        await self._hear(client)
        signed = urlencode({**(params or {}), "recvWindow": _WINDOW, "timestamp": client.now()})
        keys = self._keys
        if keys is None:
            raise AnswerError(
                503,
                "not_ready",
                "BINANCE_API_KEY and BINANCE_API_SECRET are not set: "
                "questions about an account cannot be asked",
            )
        signature = hmac.new(keys.secret.encode(), signed.encode(), hashlib.sha256)
        query = f"{signed}&signature={signature.hexdigest()}"
        headers = {"X-MBX-APIKEY": keys.key}
        reply = await client.get(path, decoder, query=query, headers=headers)
        return reply.value


def _failed(missing: tuple[Missing, ...]) -> NoReturn:
    late = all(one.reason == "timeout" for one in missing)
    reasons = "; ".join(one.message for one in missing)
    raise without_venues(f"binance did not tell about the account: {reasons}", missing, late=late)


def _unrealised(rows: list[_PositionRisk]) -> float:
    """Return what the positions that settle in dollars have gained."""
    return math.fsum(row.un_realized_profit for row in rows if row.margin_asset in _DOLLARS)


def _not_in_dollars(entries: list[_Income]) -> tuple[Missing, ...]:
    """Say what came in assets that cannot be added to dollars, by asset."""
    rows = [one for one in entries if one.asset not in _DOLLARS and one.income_type != "TRANSFER"]
    return tuple(
        Missing(
            "income",
            "binance",
            "unavailable",
            f"{math.fsum(one.income for one in rows if one.asset == asset):.8g} {asset} "
            "is not counted: it is not in dollars",
        )
        for asset in sorted({one.asset for one in rows})
    )


def _spot_assets(account: _SpotAccount) -> tuple[AssetBalance, ...]:
    return tuple(
        AssetBalance(one.asset, one.free + one.locked, one.free, None)
        for one in account.balances
        if one.free + one.locked > 0
    )


def _futures_assets(assets: list[_FuturesAsset]) -> tuple[AssetBalance, ...]:
    return tuple(
        AssetBalance(one.asset, one.balance, one.available_balance, one.cross_un_pnl)
        for one in assets
        if one.balance != 0 or one.cross_un_pnl != 0
    )


def _position(row: _PositionRisk) -> Position:
    asset, quote = split_joined(row.symbol) or (row.symbol, "")
    base, unit = split_multiple(asset)
    invested = abs(row.position_amt) * row.entry_price
    return Position(
        symbol=row.symbol,
        base=base,
        quote=quote,
        side="LONG" if row.position_amt > 0 else "SHORT",
        amount=row.position_amt * unit,
        entry_price=row.entry_price / unit,
        mark_price=row.mark_price / unit,
        liquidation_price=row.liquidation_price / unit if row.liquidation_price > 0 else None,
        notional=row.notional,
        unrealised=row.un_realized_profit,
        unrealised_pct=100 * row.un_realized_profit / invested if invested > 0 else 0.0,
    )
