"""What the answers share: names of venues, gaps, funding pressure, the last line. Pure."""

from collections.abc import Iterable
from typing import Final

from reference_bot.telegram_bot.market_data import Flow, Missing
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.html import bold, escape

MARKETS: Final = {"spot": "spot", "perp": "perpetuals"}
REASONS: Final = {
    "timeout": "did not answer in time",
    "unreachable": "is not reachable",
    "refused": "refused to answer",
    "bad_payload": "sent something unreadable",
    "not_listed": "does not list it",
    "rate_limited": "asked us to slow down",
    "outage": "had an outage",
    "unavailable": "does not offer it",
    "circuit_open": "has been failing and is left alone for a while",
}
SECTIONS: Final = {
    "spot": "spot",
    "spot.candles": "spot candles",
    "perp": "perpetuals",
    "perp.candles": "perpetual candles",
    "perp.open_interest": "open interest",
    "perp.funding": "funding",
    "perp.takers": "taker volumes",
    "perp.accounts": "long/short accounts",
}
OTHER_VENUE: Final = "venue"
"""The section under which a venue is named that was asked first and could not answer."""
_VENUES: Final = {
    "binance": "Binance",
    "bybit": "Bybit",
    "okx": "OKX",
    "gate": "Gate.io",
    "gateio": "Gate.io",
    "bitget": "Bitget",
    "hyperliquid": "Hyperliquid",
    "yahoo": "Yahoo",
}


def venue(code: str) -> str:
    """A venue's name as it writes it itself, escaped."""
    return _VENUES.get(code, escape(code))


def why(gap: Missing) -> str:
    """``Binance did not answer in time``, escaped."""
    return f"{venue(gap.venue)} {_reason(gap)}"


def _reason(gap: Missing) -> str:
    return REASONS.get(gap.reason, escape(gap.message or gap.reason))


def market(code: str) -> str:
    """``spot`` or ``perpetuals``, escaped."""
    return MARKETS.get(code, escape(code))


def title(emoji: str, subject: str, *about: str) -> str:
    """``📊 BTC/USDT · perpetuals · Binance``; ``subject`` and ``about`` are escaped already."""
    return " · ".join([f"{emoji} {bold(subject)}", *about])


def flow(found: Flow, base: str) -> str:
    """``🟢 +3,620 BTC (+$402.63M) · L/S: 1.56x``."""
    delta = f.delta(found.delta, escape(base), found.delta_quote)
    return f"{delta} · {f.long_short(found.long_short)}"


def base_of(symbol: str) -> str:
    """``BTC`` of ``BTC/USDT``."""
    return symbol.partition("/")[0]


def gaps(missing: Iterable[Missing]) -> list[str]:
    """``⚠️ Missing: funding, open interest (Binance did not answer in time)``; none without any."""
    gaps_ = tuple(missing)
    told: dict[str, dict[str, None]] = {}
    for gap in gaps_:
        if gap.section != OTHER_VENUE:
            told.setdefault(why(gap), {})[section_name(gap)] = None
    lines = in_vain(gaps_)
    if told:
        reasons = [f"{', '.join(names)} ({reason})" for reason, names in told.items()]
        lines.append(f"⚠️ Missing: {'; '.join(reasons)}")
    return lines


def in_vain(missing: Iterable[Missing]) -> list[str]:
    """``⚠️ Asked first, in vain: Binance, Bybit (did not answer in time)``; none without any."""
    told: dict[str, dict[str, None]] = {}
    for gap in missing:
        if gap.section == OTHER_VENUE:
            told.setdefault(_reason(gap), {})[venue(gap.venue)] = None
    reasons = [f"{', '.join(names)} ({reason})" for reason, names in told.items()]
    return [f"⚠️ Asked first, in vain: {'; '.join(reasons)}"] if reasons else []


def section_name(gap: Missing) -> str:
    """``open interest``, escaped."""
    return SECTIONS.get(gap.section, escape(gap.section))


def page(*blocks: list[str]) -> str:
    """Blocks with a blank line between them; empty ones are left out."""
    return "\n\n".join("\n".join(block) for block in blocks if block)


def clock(epoch_ms: int) -> str:
    """The last line: ``🕒 2025-10-01 12:00:05 UTC · 20:00:05 SGT``."""
    return f"🕒 {f.moment(epoch_ms)}"
