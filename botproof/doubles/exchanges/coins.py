"""What the exchange double lists: coins, currency pairs and metals, and the grids they trade on.

A coin has up to three books: ``spot``, ``perp`` (margined in USDT) and ``inverse`` (margined in the
coin).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from botproof.doubles.exchanges.hours import Hours

Kind = Literal["spot", "perp", "inverse"]
KINDS: tuple[Kind, ...] = ("spot", "perp", "inverse")
SETTLED = 8
"""Decimal places of the coins that an inverse book settles in."""
BY_THE_THOUSAND = frozenset({"SHIB", "PEPE", "BONK"})
"""Coins whose perpetuals Binance and Hyperliquid trade in thousands: 1000SHIBUSDT, kSHIB."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The grid of a book, as decimal places of the base unit; negative places are powers of ten.

    SHIB's perpetual moves in thousands, so its ``lot`` is -3: one lot is 1,000 SHIB. Of an inverse
    book the unit is the dollar: -2 is a contract of 100 USD.
    """

    price: int
    lot: int


@dataclass(frozen=True, slots=True)
class Coin:
    """What is traded against USDT, and in an inverse book against dollars; with ``hours`` a
    currency pair or metal in its own quote.

    ``asset`` says what it is where that is no coin, ``ticker`` what venues call it where that is
    not ``base``, ``venues`` who lists it, where that are not all that list its kind.

    ``price`` is what the path swings around, ``swing`` the size of a usual day (0.03 = 3 %),
    ``turnover`` a usual day's spot turnover in USDT on the smallest venue, ``funding_hours`` the
    interval on venues that set one a symbol.
    """

    base: str
    price: float
    turnover: float
    spot: Tick | None
    perp: Tick | None
    swing: float = 0.03
    funding_hours: int = 8
    trades: int = 48
    hours: Hours = "always"
    inverse: Tick | None = None
    asset: str = "coin"
    ticker: str = ""
    venues: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """What venues call it."""
        return self.ticker or self.base

    def on(self, venue: str) -> bool:
        """Tell whether a venue lists it."""
        return self.venues is None or venue in self.venues

    def book(self, kind: Kind) -> Tick | None:
        """Return the grid of one book; None when the coin has no such book."""
        return {"spot": self.spot, "perp": self.perp, "inverse": self.inverse}[kind]

    def tick(self, kind: Kind) -> Tick:
        """Return the grid of one book; LookupError when the coin has no such book."""
        tick = self.book(kind)
        if tick is None:
            raise LookupError(f"{self.base} has no {kind} book")
        return tick


def _coin(  # noqa: PLR0917 - the rows of the table below
    base: str,
    price: float,
    turnover: float,
    spot: tuple[int, int] | None,
    perp: tuple[int, int] | None,
    swing: float,
    hours: int = 8,
    dollars: int = 0,
) -> Coin:
    """``dollars``: the decimal places of an inverse contract, 2 for 100 USD; 0 where none is."""
    return Coin(
        base,
        price,
        turnover,
        Tick(*spot) if spot else None,
        Tick(*perp) if perp else None,
        swing,
        hours,
        inverse=Tick(perp[0], -dollars) if perp and dollars else None,
    )


COINS: tuple[Coin, ...] = (
    _coin("BTC", 95_000.0, 2.4e8, (2, 5), (1, 3), 0.018, dollars=2),
    _coin("ETH", 3_400.0, 1.6e8, (2, 4), (2, 3), 0.025, dollars=1),
    _coin("SOL", 185.0, 9.0e7, (2, 3), (2, 2), 0.035, dollars=1),
    _coin("XRP", 2.31, 8.0e7, (4, 1), (4, 1), 0.035, dollars=1),
    _coin("BNB", 690.0, 3.0e7, (2, 3), (2, 2), 0.02),
    _coin("DOGE", 0.324, 5.0e7, (5, 0), (5, 0), 0.04, dollars=1),
    _coin("ADA", 0.89, 2.2e7, (4, 1), (4, 0), 0.035, dollars=1),
    _coin("AVAX", 37.6, 1.1e7, (2, 2), (3, 0), 0.04),
    _coin("LINK", 22.4, 1.2e7, (2, 2), (3, 2), 0.035, dollars=1),
    _coin("DOT", 6.9, 6.0e6, (3, 2), (3, 1), 0.035),
    _coin("LTC", 104.0, 8.0e6, (2, 3), (2, 3), 0.03, dollars=1),
    _coin("TRX", 0.252, 9.0e6, (4, 1), (5, 0), 0.02),
    _coin("TON", 5.4, 4.0e6, (3, 2), (4, 1), 0.03, 4),
    _coin("SUI", 4.17, 2.4e7, (4, 1), (4, 1), 0.05),
    _coin("NEAR", 5.2, 5.0e6, (3, 1), (3, 0), 0.045),
    _coin("APT", 9.1, 4.0e6, (2, 2), (4, 1), 0.045),
    _coin("ARB", 0.74, 5.0e6, (4, 1), (4, 1), 0.045),
    _coin("OP", 1.83, 4.0e6, (3, 2), (4, 1), 0.045),
    _coin("UNI", 13.2, 6.0e6, (3, 2), (3, 0), 0.04),
    _coin("AAVE", 318.0, 6.0e6, (2, 3), (2, 1), 0.04),
    _coin("ATOM", 6.4, 3.0e6, (3, 2), (3, 2), 0.035),
    _coin("FIL", 5.0, 3.0e6, (3, 2), (3, 1), 0.04),
    _coin("ETC", 26.0, 3.0e6, (2, 2), (3, 2), 0.035),
    _coin("BCH", 447.0, 4.0e6, (1, 3), (2, 3), 0.03),
    _coin("HBAR", 0.283, 7.0e6, (5, 0), (5, 0), 0.05),
    _coin("XLM", 0.41, 7.0e6, (4, 0), (5, 0), 0.045),
    _coin("INJ", 20.4, 3.0e6, (2, 2), (3, 1), 0.045, 4),
    _coin("WIF", 1.71, 6.0e6, (3, 2), (4, 1), 0.07, 4),
    _coin("SHIB", 0.0000215, 1.4e7, (8, 0), (9, -3), 0.045),
    _coin("PEPE", 0.0000174, 2.2e7, (8, 0), (10, -3), 0.06),
    _coin("BONK", 0.0000298, 9.0e6, (8, 0), (9, -3), 0.06, 4),
    _coin("PAXG", 2_652.0, 1.0e6, (2, 4), (2, 3), 0.008),
    _coin("WBTC", 94_900.0, 9.0e5, (2, 5), None, 0.018),
    _coin("HYPE", 24.6, 2.5e7, None, (3, 2), 0.06, 4),
    _coin("BLZ", 0.112, 1.2e6, (4, 1), (5, 0), 0.06, 1),
)
"""The default universe: from Bitcoin to fractions of a cent, WBTC only spot, HYPE only perpetual,
SHIB, PEPE and BONK in perpetuals of a thousand, funding every 1, 4 or 8 hours; eight of them have
an inverse book too, of 100 dollars a contract for Bitcoin and of 10 for the others."""


def _pair(symbol: str, price: float, places: int, swing: float = 0.005) -> Coin:
    hours: Hours = "metals" if symbol.startswith("X") else "forex"
    tick = Tick(places, 0)
    return Coin(symbol, price, 2.0e8, tick, None, swing, trades=24, hours=hours)


FOREX: tuple[Coin, ...] = (
    _pair("EURUSD", 1.1742, 5),
    _pair("GBPUSD", 1.3461, 5),
    _pair("AUDUSD", 0.6668, 5, 0.006),
    _pair("NZDUSD", 0.5763, 5, 0.006),
    _pair("USDJPY", 156.42, 3, 0.006),
    _pair("USDCHF", 0.7926, 5),
    _pair("USDCAD", 1.3715, 5, 0.004),
    _pair("EURGBP", 0.8723, 5, 0.003),
    _pair("EURJPY", 183.67, 3, 0.006),
    _pair("EURCHF", 0.9307, 5, 0.003),
    _pair("EURAUD", 1.761, 5),
    _pair("GBPJPY", 210.56, 3, 0.006),
    _pair("GBPCHF", 1.0669, 5, 0.004),
    _pair("AUDJPY", 104.3, 3, 0.007),
    _pair("CADJPY", 114.05, 3, 0.006),
    _pair("CHFJPY", 197.35, 3, 0.005),
    _pair("USDSGD", 1.2861, 5, 0.003),
    _pair("USDHKD", 7.7832, 4, 0.0005),
    _pair("USDCNH", 6.9795, 4, 0.002),
    _pair("USDMXN", 17.982, 4, 0.007),
    _pair("USDZAR", 16.571, 4, 0.009),
    _pair("USDTRY", 42.95, 4, 0.002),
    _pair("USDSEK", 9.2085, 4, 0.007),
    _pair("USDNOK", 10.071, 4, 0.007),
    _pair("XAUUSD", 4_325.0, 1, 0.012),
    _pair("XAGUSD", 71.4, 3, 0.02),
)
"""Currency pairs and metals, each a path of its own (crosses do not follow from the majors), with
hours. No crypto venue lists them."""


OTHERS: tuple[Coin, ...] = (
    Coin(
        "TSLA",
        412.0,
        1.5e7,
        None,
        Tick(2, 2),
        0.025,
        asset="stock",
        venues=frozenset({"binance", "bybit", "okx", "gate", "bitget"}),
    ),
    Coin(
        "XAU",
        4_325.0,
        2.0e7,
        None,
        Tick(2, 3),
        0.012,
        4,
        asset="commodity",
        venues=frozenset({"binance", "bybit"}),
    ),
    Coin("PURR", 0.142, 9.0e5, Tick(5, 0), Tick(5, 0), 0.07, venues=frozenset({"hyperliquid"})),
    Coin(
        "PURR.STOCK",
        6.4,
        4.0e5,
        None,
        Tick(3, 1),
        0.05,
        asset="stock",
        ticker="PURR",
        venues=frozenset({"bybit"}),
    ),
)
"""What is traded as a perpetual and is no coin: a stock and gold; and the coin PURR beside the
stock that Bybit lists under the same name."""


def synthetic_coins(count: int) -> tuple[Coin, ...]:
    """Return ``count`` made-up coins (``X001`` …) for scans over hundreds of symbols."""
    return tuple(
        Coin(
            base=f"X{n:03d}",
            price=10.0 ** (n % 6 - 2) * (1 + n % 7),
            turnover=2.0e5 * (1 + n % 40),
            spot=Tick(max(0, 5 - n % 6), n % 6),
            perp=Tick(max(0, 5 - n % 6), n % 6),
            swing=0.02 + 0.01 * (n % 5),
            trades=12,
        )
        for n in range(1, count + 1)
    )
