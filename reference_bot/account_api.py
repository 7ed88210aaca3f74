"""What market-data answers about an account: its holdings, positions, gains and costs."""

from __future__ import annotations

from msgspec import Struct

from reference_bot.api import AnswerData, PositionSide


class AssetBalance(Struct, frozen=True):
    """One asset of an account; ``unrealised`` is the open profit of positions, futures only."""

    asset: str
    total: float
    available: float
    unrealised: float | None = None


class Balance(AnswerData, frozen=True):
    """What an account holds, without the assets that it has none of."""

    venue: str
    testnet: bool
    time: int
    spot: tuple[AssetBalance, ...] | None = None
    futures: tuple[AssetBalance, ...] | None = None


class Position(Struct, frozen=True, kw_only=True):
    """One open position; ``amount`` in base units, negative when short."""

    symbol: str
    base: str
    quote: str
    side: PositionSide
    amount: float
    entry_price: float
    mark_price: float
    liquidation_price: float | None = None
    notional: float
    unrealised: float
    unrealised_pct: float


class Positions(AnswerData, frozen=True):
    """The open positions, the largest first; ``unrealised`` is of those that settle in dollars."""

    venue: str
    testnet: bool
    time: int
    positions: tuple[Position, ...]
    unrealised: float


class Pnl(AnswerData, frozen=True, kw_only=True):
    """What an account gained since ``since``, in USDT and other stable coins at a dollar: ``net`` =
    realised + funding + commission + other, without transfers.

    Income in another asset (a fee in BNB) is not counted, but named in ``missing``. ``complete`` is
    false when there were more entries than could be read.
    """

    venue: str
    testnet: bool
    since: int
    time: int
    realised: float
    funding: float
    commission: float
    other: float
    net: float
    unrealised: float | None = None
    entries: int
    complete: bool
