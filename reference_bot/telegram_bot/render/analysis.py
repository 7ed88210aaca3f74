"""The answer to ``/analysis``: what the figures of one pair say. Pure; the unknown is left out."""

from datetime import UTC, datetime
from typing import Final

from reference_bot.api import (
    Analysis,
    Block,
    Flow,
    Intelligence,
    PerpBlock,
    Technical,
)
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.common import clock, flow, page, title, venue, what_it_is
from reference_bot.telegram_bot.render.forex import (
    Prices,
    closed,
    market_of,
    notes,
    prices_of,
)
from reference_bot.telegram_bot.render.html import bold, escape

_BIASES: Final = {"bullish": "🟢 BULLISH", "bearish": "🔴 BEARISH", "neutral": "⚪ NEUTRAL"}
_MOMENTUM: Final = {"ACCELERATING": "🚀", "DECELERATING": "🐢"}
# Hours of UTC in which the day's business is done where; the first that has begun is over at the
# start of the next.
_SESSIONS: Final = ((21, "late US"), (13, "US"), (7, "Europe"), (0, "Asia"))
_OVERBOUGHT: Final = 70.0
_OVERSOLD: Final = 30.0
_READINGS: Final = {
    "rsi_oversold": "RSI is oversold",
    "rsi_overbought": "RSI is overbought",
    "above_vwap": "price is above the 24h VWAP",
    "below_vwap": "price is below the 24h VWAP",
    "below_lower_band": "price is below the lower Bollinger band",
    "above_upper_band": "price is above the upper Bollinger band",
    "buyers_in_control": "buyers are in control",
    "sellers_in_control": "sellers are in control",
    "new_longs": "open interest rises with the price: new longs",
    "new_shorts": "open interest rises as the price falls: new shorts",
    "crowded_longs": "longs are crowded",
    "crowded_shorts": "shorts are crowded",
}


def render_analysis(data: Analysis) -> str:
    """Return the whole answer, as HTML; markup never spans lines."""
    kind, block = _shown(data)
    where = (market_of(data.symbol, data.venue, kind), venue(data.venue))
    prices = prices_of(data.symbol, data.venue)
    return page(
        [
            title("🔬", escape(data.symbol), f"analysis {escape(data.timeframe)}", *where),
            *what_it_is(data.price.base, data.price.asset or "", data.price.asset_name or ""),
        ],
        [f"Bias: {bold(_BIASES.get(data.bias, escape(data.bias)))} (score {_score(data.score)})"],
        _headed("💵 " + bold("PRICE"), _price(block, prices)),
        _headed("📢 " + bold("VOLUME AND CVD"), _volume(data, block)),
        _headed("🗓 " + bold("SESSION AND DAY"), _context(data, block, prices)),
        _headed("🏦 " + bold("OPEN INTEREST AND FUNDING"), _positions(data)),
        _headed("📐 " + bold("TECHNICALS"), _technicals(data.technical, prices)),
        _headed("🧠 " + bold("MARKET CONTROL"), _control(data.price.intelligence)),
        _headed("🧭 " + bold("WHAT COUNTS"), _readings(data)),
        closed(block),
        [*notes(data, data.venue), clock(data.time)],
    )


def _shown(data: Analysis) -> tuple[str, Block | None]:
    """Return the market that the figures are of: the one that is asked for, if it could be had."""
    blocks: dict[str, Block | None] = {"perp": data.price.perp, "spot": data.price.spot}
    for kind in (data.market, "perp", "spot"):
        if (block := blocks.get(kind)) is not None:
            return kind, block
    return data.market, None


def session(epoch_ms: int) -> str | None:
    """``Europe``: where the day's business is done at that time; None when that is no time."""
    try:
        hour = datetime.fromtimestamp(epoch_ms / 1000, UTC).hour
    except (OverflowError, ValueError, OSError):
        return None
    return next(name for begins, name in _SESSIONS if hour >= begins)


def _headed(head: str, lines: list[str]) -> list[str]:
    return [head, *lines] if lines else []


def _score(score: float) -> str:
    shown = f.signed_whole(score)
    return shown if shown == f.NOT_KNOWN else f"{shown} of ±100"


def _price(block: Block | None, prices: Prices) -> list[str]:
    if block is None:
        return []
    change = f"{f.lit_percent(block.change_24h_pct)} ({prices.signed(block.change_24h)})"
    return [f"{bold(prices.price(block.price))} · 24h {change}"]


def _volume(data: Analysis, block: Block | None) -> list[str]:
    base = escape(data.price.base)
    lines: list[str] = []
    if block is not None and block.volume_24h is not None:
        lines.append(f"24h: {f.amount(block.volume_24h, base)} ({f.money(block.turnover_24h)})")
    if data.volume is not None:
        shown = f.activity(escape(data.volume.level), data.volume.ratio)
        lines.append(f"Last {escape(data.timeframe)}: {shown}")
    if data.cvd is not None:
        lines.append(f"CVD: {f.light(data.cvd)} {f.signed_amount(data.cvd, base)}")
    if block is not None and block.flow_24h is not None:
        lines.append(f"24h delta: {_flow(block.flow_24h, data, block)}")
    if block is not None and block.flow_15m is not None:
        lines.append(f"15m delta: {_flow(block.flow_15m, data, block)}")
    return lines


def _flow(found: Flow, data: Analysis, block: Block) -> str:
    return flow(found, data.price.base, block.price, block.time)


def _context(data: Analysis, block: Block | None, prices: Prices) -> list[str]:
    now = session(data.time)
    lines = [] if now is None else [f"Session: {now}"]
    if block is None or block.high_24h is None or block.low_24h is None:
        return lines
    lines.append(f"24h range: {prices.span(block.low_24h, block.high_24h)}")
    price, high, low = f.known(block.price), f.known(block.high_24h), f.known(block.low_24h)
    if price is not None and high is not None and low is not None and low <= price <= high > low:
        place = 100 * (price - low) / (high - low)
        lines.append(f"Price is at {place:.0f}% of that range")
    return lines


def _positions(data: Analysis) -> list[str]:
    perp = data.price.perp
    if perp is None:
        return []
    return [*_interest(perp, escape(data.price.base)), *_funding(perp), *_accounts(perp)]


def _interest(perp: PerpBlock, base: str) -> list[str]:
    interest = perp.open_interest
    if interest is None:
        return []
    lines = [f"Open interest: {f.amount(interest.amount, base)} ({f.money(interest.value)})"]
    for window, moved in (("24h", interest.change_24h), ("15m", interest.change_15m)):
        if moved is not None:
            shown = f.change(moved.amount, base, moved.value, moved.pct)
            lines.append(f"{window} OI change: {shown}")
    return lines


def _funding(perp: PerpBlock) -> list[str]:
    if perp.funding is None:
        return []
    left = f.duration(perp.funding.next_reset - perp.time)
    return [f"Funding: {f.funding(perp.funding.rate, perp.funding.annual)}, next in {left}"]


def _accounts(perp: PerpBlock) -> list[str]:
    """``Accounts: 56.3% long, 43.7% short (1.29x)``."""
    if perp.accounts is None:
        return []
    shown = f.shares(perp.accounts.long_share, perp.accounts.long_short)
    return [f"Accounts: {shown}"]


def _technicals(found: Technical, prices: Prices) -> list[str]:
    lines: list[str] = []
    if found.rsi_14 is not None:
        lines.append(f"RSI 14: {f.plain(found.rsi_14)}{_zone(found.rsi_14)}")
    if found.atr_14 is not None:
        lines.append(
            f"ATR 14: {prices.price(found.atr_14)} ({_percent(found.atr_pct)} of the price)"
        )
    if found.vwap_24h is not None:
        distance = f.percent(found.vwap_distance_pct)
        lines.append(f"24h VWAP: {prices.price(found.vwap_24h)} (price {distance} from it)")
    if (bands := found.bollinger) is not None:
        lines.append(f"Bollinger bands: {prices.span(bands.lower, bands.upper)}")
    return lines


def _percent(value: float | None) -> str:
    shown = f.plain(value)
    return shown if shown == f.NOT_KNOWN else f"{shown}%"


def _zone(rsi: float) -> str:
    if rsi >= _OVERBOUGHT:
        return " (overbought)"
    return " (oversold)" if rsi <= _OVERSOLD else ""


def _control(facts: Intelligence | None) -> list[str]:
    if facts is None:
        return []
    lines: list[str] = []
    if (day := facts.control_24h) is not None:
        lines.append(f"24h: {f.control(day.side, day.buy_share)}")
    if (now := facts.control_15m) is not None:
        lines.append(f"15m: {f.control(now.side, now.buy_share)}")
    if (momentum := facts.momentum) is not None:
        lines.append(f"Momentum: {_MOMENTUM.get(momentum.state, '➡️')} {escape(momentum.state)}")
    return lines


def _readings(data: Analysis) -> list[str]:
    return [
        f"{f.light(one.points)} {f.signed_whole(one.points)}"
        f" {_READINGS.get(one.code, escape(one.code))}"
        for one in data.signals
    ]
