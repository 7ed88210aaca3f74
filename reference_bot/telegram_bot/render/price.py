"""The answer to ``/price``: figures in, HTML out. Pure; what is missing is said to be missing."""

from typing import Final

from reference_bot.api import (
    Block,
    CombinedPrice,
    Flow,
    Funding,
    Intelligence,
    Missing,
    OpenInterest,
    PerpBlock,
)
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.common import (
    flow,
    in_vain,
    section_name,
    stale_note,
    venue,
    what_it_is,
    why,
    worth_naming,
)
from reference_bot.telegram_bot.render.forex import is_forex, render_forex
from reference_bot.telegram_bot.render.html import bold, escape
from reference_bot.telegram_bot.render.signals import signals

_MOMENTUM: Final = {"ACCELERATING": "🚀", "DECELERATING": "🐢"}
_PRESSURE: Final = {
    "long_squeeze": ("🔥", "LONG SQUEEZE", "longs pay a lot, new longs risk a squeeze"),
    "long_pressure": ("🟠", "LONG PRESSURE", "longs pay, wait for a dip before adding longs"),
    "balanced": ("⚖️", "BALANCED", "funding is neutral, follow the trend"),
    "short_pressure": (
        "🔵",
        "SHORT PRESSURE",
        "shorts pay, wait for a bounce before adding shorts",
    ),
    "short_squeeze": (
        "🧊",
        "SHORT SQUEEZE",
        "shorts pay a lot, new shorts risk a squeeze",
    ),
}


_NOT_SHOWN: Final = "perp.accounts"
"""What this answer does not tell is not missing in it."""


def render_price(data: CombinedPrice) -> str:
    """Return the whole answer, as HTML; markup never spans lines."""
    if is_forex(data.venue):
        return render_forex(data)
    blocks = [
        [
            f"📊 {bold(escape(data.symbol))} · {venue(data.venue)}",
            *what_it_is(data.base, data.asset or "", data.asset_name or ""),
        ],
        ["🧠 " + bold("MARKET INTELLIGENCE"), *_intelligence(data)],
        ["💱 " + bold("SPOT"), *_spot(data)],
        ["⚡ " + bold("PERPETUALS"), *_perp(data)],
        ["🧭 " + bold("MARKET SUMMARY"), *(f"• {line}" for line in signals(data))],
        [*(stale_note(data) or _missing(data.gaps)), f"🕒 {f.moment(data.time)}"],
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def _intelligence(data: CombinedPrice) -> list[str]:
    facts = data.intelligence
    if facts is None:
        parts = ("spot.candles", "perp.candles", "perp.takers", "spot", "perp")
        return [_not_available(data, *parts)]
    return [
        f"24h control: {_control(facts, '24h')}",
        f"24h momentum: {_momentum(facts)}",
        f"15m control: {_control(facts, '15m')}",
        f"15m activity: {_activity(facts)}",
    ]


def _control(facts: Intelligence, window: str) -> str:
    found = facts.control_24h if window == "24h" else facts.control_15m
    return f.NOT_KNOWN if found is None else f.control(found.side, found.buy_share)


def _momentum(facts: Intelligence) -> str:
    if facts.momentum is None:
        return f.NOT_KNOWN
    state = facts.momentum.state
    return f"{_MOMENTUM.get(state, '➡️')} {escape(state)}"


def _activity(source: Intelligence | Block) -> str:
    found = source.activity
    return f.NOT_KNOWN if found is None else f.activity(escape(found.level), found.ratio)


def _spot(data: CombinedPrice) -> list[str]:
    if data.spot is None:
        return [_not_available(data, "spot")]
    return _ticker(data.spot, data.base) + _flows(data, data.spot, "spot.candles")


def _perp(data: CombinedPrice) -> list[str]:
    perp = data.perp
    if perp is None:
        return [_not_available(data, "perp")]
    mark = [] if perp.mark_price is None else [f"Mark: {f.price(perp.mark_price)}"]
    return [
        *_ticker(perp, data.base),
        *mark,
        *_flows(data, perp, "perp.candles"),
        *_open_interest(data, perp.open_interest),
        *_funding(data, perp),
    ]


def _ticker(block: Block, base: str) -> list[str]:
    move = f"{f.lit_percent(block.change_24h_pct)} ({f.signed_price(block.change_24h)})"
    return [
        f"Price: {bold(f.price(block.price))}",
        f"24h change: {move}",
        f"24h range: {f.span(block.low_24h, block.high_24h)}",
        f"24h volume: {f.amount(block.volume_24h, escape(base))} ({f.money(block.turnover_24h)})",
    ]


def _flows(data: CombinedPrice, block: Block, section: str) -> list[str]:
    if block.flow_24h is None and block.flow_15m is None:
        takers = section.replace("candles", "takers")
        return [f"Delta: {_not_available(data, takers, section)}"]
    return [
        f"24h delta: {_flow(block.flow_24h, data.base, block)}",
        f"15m delta: {_flow(block.flow_15m, data.base, block)}",
        f"15m activity: {_activity(block)}",
    ]


def _flow(found: Flow | None, base: str, block: Block) -> str:
    return f.NOT_KNOWN if found is None else flow(found, base, block.price, block.time)


def _open_interest(data: CombinedPrice, interest: OpenInterest | None) -> list[str]:
    if interest is None:
        return [f"Open interest: {_not_available(data, 'perp.open_interest')}"]
    base = escape(data.base)
    lines = [f"Open interest: {f.amount(interest.amount, base)} ({f.money(interest.value)})"]
    if interest.sides == "unknown":
        lines.append(f"({venue(data.venue)} does not say whether that is one side or both)")
    for window, moved in (("24h", interest.change_24h), ("15m", interest.change_15m)):
        shown = f.NOT_KNOWN
        if moved is not None:
            shown = f.change(moved.amount, base, moved.value, moved.pct)
        lines.append(f"{window} OI change: {shown}")
    return lines


def _funding(data: CombinedPrice, perp: PerpBlock) -> list[str]:
    rate = perp.funding
    if rate is None:
        return [f"Funding: {_not_available(data, 'perp.funding')}"]
    return [
        f"Funding: {f.funding(rate.rate, rate.annual)}",
        f"Every {f.plain(rate.interval_hours)}h, next in {f.duration(rate.next_reset - perp.time)}",
        *_pressure(rate),
    ]


def _pressure(rate: Funding) -> list[str]:
    known = _PRESSURE.get(rate.pressure)
    if known is None:
        return [f"Pressure: {escape(rate.pressure)}"]
    emoji, words, strategy = known
    return [f"Pressure: {emoji} {words}", f"Strategy: {strategy}"]


def _not_available(data: CombinedPrice, *sections: str) -> str:
    """``not available (Binance did not answer in time)``: the first of ``sections`` missing."""
    for section in sections:
        for gap in data.gaps:
            if section in (gap.section, gap.section.partition(".")[0]):
                return f"not available ({why(gap)})"
            if section.partition(".")[0] == gap.section:
                return f"not available ({why(gap)})"
    return "not available"


def _missing(gaps: tuple[Missing, ...]) -> list[str]:
    lines = in_vain(gaps)
    shown = [gap for gap in worth_naming(gaps) if gap.section != _NOT_SHOWN]
    if names := dict.fromkeys(section_name(gap) for gap in shown):
        lines.append(f"⚠️ Missing: {', '.join(names)}")
    return lines
