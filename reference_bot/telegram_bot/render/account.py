"""The answers to ``/balance``, ``/positions`` and ``/pnl``. Pure."""

from reference_bot.account_api import AssetBalance, Balance, Pnl, Position, Positions
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.common import clock, gaps, page, title, venue
from reference_bot.telegram_bot.render.html import bold, escape

NO_ACCOUNT = (
    "No exchange account is connected: BINANCE_API_KEY and BINANCE_API_SECRET of market-data are "
    "not set. Whoever runs this bot can set them; a read-only key is enough."
)
_INCOMPLETE = "⚠️ Incomplete: the account has more entries than I could read."
_MOST_ROWS = 20
_CENT = 0.01


def render_balance(data: Balance) -> str:
    """Return spot and futures holdings as HTML; markup never spans lines."""
    spot = [] if data.spot is None else ["💱 " + bold("SPOT"), *_assets(data.spot)]
    futures = [] if data.futures is None else ["⚡ " + bold("FUTURES"), *_assets(data.futures)]
    return page(
        [title("💼", "Balance", *_where(data.venue, testnet=data.testnet))],
        spot,
        futures,
        [*gaps(data.gaps), clock(data.time)],
    )


def render_positions(data: Positions) -> str:
    """Return the open positions, the largest first, as HTML; markup never spans lines."""
    shown = [_position(one) for one in data.positions[:_MOST_ROWS]]
    more = len(data.positions) - len(shown)
    return page(
        [title("📂", "Positions", *_where(data.venue, testnet=data.testnet))],
        *(shown or [["No position is open."]]),
        [f"… and {more} more"] if more else [],
        [f"Total unrealised PnL: {_profit(data.unrealised)}"] if shown else [],
        [clock(data.time)],
    )


def render_pnl(data: Pnl) -> str:
    """Return what was gained and paid since a moment, in USDT, as HTML; markup never
    spans lines."""
    other = [f"Other: {_profit(data.other)}"] if abs(data.other) >= _CENT else []
    still = [] if data.unrealised is None else [f"Unrealised PnL: {_profit(data.unrealised)}"]
    partly = [] if data.complete else [_INCOMPLETE]
    return page(
        [title("💰", "Profit and loss", *_where(data.venue, testnet=data.testnet))],
        [f"Since: {f.moment(data.since)}"],
        [
            f"Net: {bold(_profit(data.net))}",
            f"Realised: {_profit(data.realised)}",
            f"Funding: {_profit(data.funding)}",
            f"Fees: {_profit(data.commission)}",
            *other,
            *still,
        ],
        [*partly, *gaps(data.gaps), clock(data.time)],
    )


def _where(code: str, *, testnet: bool) -> list[str]:
    return [venue(code), "testnet"] if testnet else [venue(code)]


def _assets(assets: tuple[AssetBalance, ...]) -> list[str]:
    if not assets:
        return ["no balance"]
    lines = [_asset(one) for one in assets[:_MOST_ROWS]]
    return [*lines, *([f"… and {more} more"] if (more := len(assets) - len(lines)) else [])]


def _asset(one: AssetBalance) -> str:
    unit = escape(one.asset)
    line = f"{f.holding(one.total, unit)} · free {f.holding(one.available, unit)}"
    return line if one.unrealised is None else f"{line} · unrealised PnL {_profit(one.unrealised)}"


def _position(one: Position) -> list[str]:
    light = {"LONG": "🟢", "SHORT": "🔴"}.get(one.side, "⚪")
    end = one.liquidation_price
    ends = "" if end is None else f" · liquidation {f.price(end)}"
    size = f.amount(f.magnitude(one.amount), escape(one.base))
    worth = f.money(f.magnitude(one.notional))
    return [
        f"{light} {bold(escape(one.symbol))} {escape(one.side)} {size} ({worth})",
        f"Entry {f.price(one.entry_price)} · mark {f.price(one.mark_price)}{ends}",
        f"Unrealised PnL: {_profit(one.unrealised)} ({f.percent(one.unrealised_pct)})",
    ]


def _profit(value: float) -> str:
    return f"{f.light(value)} {f.signed_money(value)}"
