"""What the answers share: names of venues, gaps, funding pressure, the last line. Pure."""

from collections.abc import Iterable
from typing import Final

from reference_bot.api import (
    BUSY,
    GAP,
    LATE,
    NEW,
    OTHER_VENUE,
    PERMANENT,
    UNAVAILABLE,
    AnswerData,
    Flow,
    Missing,
    Stale,
)
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
    "queued": "is at its request limit",
    "outage": "had an outage",
    "unavailable": "does not offer it",
    "circuit_open": "keeps failing, so I leave it alone for a while",
    "gap": "has a gap in its figures",
    "new": "has not traded it for long enough",
    "not_a_coin": "lists something else under that name",
    "unmeasured": "does not say whether it counts one side or both",
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
_DELTAS: Final = {"spot.candles": "spot delta", "perp.candles": "perpetual delta"}
_QUARTER: Final = 900_000
_PRICES: Final = frozenset({"spot", "perp", "candles"})
_VENUES: Final = {
    "binance": "Binance",
    "bybit": "Bybit",
    "okx": "OKX",
    "gate": "Gate",  # and not Gate.io: Telegram would make a link of it
    "gateio": "Gate",
    "bitget": "Bitget",
    "hyperliquid": "Hyperliquid",
    "yahoo": "Yahoo",
}


def venue(code: str) -> str:
    """Return a venue's name as it writes it itself, escaped."""
    return _VENUES.get(code, escape(code))


def why(gap: Missing) -> str:
    """``Binance did not answer in time``, escaped."""
    return f"{venue(gap.venue)} {_reason(gap)}"


def _reason(gap: Missing) -> str:
    return REASONS.get(gap.reason, escape(gap.message or gap.reason))


def blamed(missing: Iterable[Missing]) -> str:
    """``Binance, OKX did not answer in time; Bybit had an outage``, escaped."""
    return "; ".join(f"{names} {reason}" for reason, names in _by_reason(missing))


def _by_reason(missing: Iterable[Missing]) -> list[tuple[str, str]]:
    by_reason: dict[str, dict[str, None]] = {}
    for gap in missing:
        by_reason.setdefault(_reason(gap), {})[venue(gap.venue)] = None
    return [(reason, ", ".join(names)) for reason, names in by_reason.items()]


def market(code: str) -> str:
    """``spot`` or ``perpetuals``, escaped."""
    return MARKETS.get(code, escape(code))


def title(emoji: str, subject: str, *about: str) -> str:
    """``📊 BTC/USDT · perpetuals · Binance``; ``subject`` and ``about`` are escaped already."""
    return " · ".join([f"{emoji} {bold(subject)}", *about])


def flow(found: Flow, base: str, price: float, now: int) -> str:
    """``🟢 +3,620 BTC (+$402.63M) · L/S: 1.56x``: the dollars are the coins at ``price``.

    What takers paid and got on balance is at many prices: it may even have the other sign. A window
    that ended before the last quarter of an hour before ``now`` says when.
    """
    delta = f.delta(found.delta, escape(base), found.delta * price)
    early = found.end < now // _QUARTER * _QUARTER
    until = f" (up to {f.time_of_day(found.end)})" if early else ""
    return f"{delta} · {f.long_short(found.long_short)}{until}"


def what_it_is(base: str, asset: str, name: str = "") -> list[str]:
    """``ℹ️ TSLA is a stock (Tesla Inc), not a coin``; nothing for a coin."""
    if not asset:
        return []
    article = "an" if asset[:1].lower() in "aeiou" else "a"
    named = f" ({escape(name)})" if name and name.upper() != base.upper() else ""
    return [f"ℹ️ {escape(base)} is {article} {escape(asset)}{named}, not a coin"]


def base_of(symbol: str) -> str:
    """``BTC`` of ``BTC/USDT``."""
    return symbol.partition("/")[0]


def notes(data: AnswerData) -> list[str]:
    """Return what an answer lacks, and how old it is when no exchange could be asked."""
    return stale_note(data) or gaps(data.gaps)


def stale_note(data: AnswerData) -> list[str]:
    """``⌛ From 42 s ago: no exchange answers just now (Binance refused to answer)``, or that
    market-data had no time to ask one.

    None while an exchange answers: open interest may be some seconds beyond its lifetime then, a
    price and its candles never are.
    """
    failed = {(gap.section, gap.venue) for gap in data.gaps if gap.reason not in PERMANENT}
    old = [one for one in data.stale or () if _is_price(one) or (one.section, one.venue) in failed]
    if not old:
        return []
    age = f.seconds(max((one.age for one in old if _is_price(one)), default=data.age or 0.0))
    if any(gap.reason == BUSY for gap in data.gaps):
        return [f"⌛ From {age} ago: there are too many questions just now"]
    # A venue is named once, with what it lacked first: its other calls fail for the same cause.
    first: dict[str, Missing] = {}
    for gap in data.gaps:
        if gap.reason not in PERMANENT:
            first.setdefault(gap.venue, gap)
    blame = blamed(first.values())
    why_ = f" ({blame})" if blame else ""
    return [f"⌛ From {age} ago: no exchange answers just now{why_}"]


def _is_price(one: Stale) -> bool:
    return one.section in _PRICES or one.section.endswith(".candles")


def gaps(missing: Iterable[Missing]) -> list[str]:
    """``⚠️ Missing: funding, open interest (Binance did not answer in time)``; none without any."""
    gaps_ = tuple(missing)
    by_reason: dict[str, dict[str, None]] = {}
    for gap in worth_naming(gaps_):
        by_reason.setdefault(why(gap), {})[section_name(gap)] = None
    lines = in_vain(gaps_)
    if by_reason:
        reasons = [f"{', '.join(names)} ({reason})" for reason, names in by_reason.items()]
        lines.append(f"⚠️ Missing: {'; '.join(reasons)}")
    return lines


def worth_naming(missing: Iterable[Missing]) -> list[Missing]:
    """Return what an answer lacks, without the parts of a market that it lacks as a whole."""
    lacking = [gap for gap in missing if gap.section != OTHER_VENUE and gap.reason != LATE]
    whole = {gap.section for gap in lacking if "." not in gap.section}
    return [
        gap for gap in lacking if gap.section in whole or gap.section.partition(".")[0] not in whole
    ]


def in_vain(missing: Iterable[Missing]) -> list[str]:
    """``⚠️ Tried first: Binance, Bybit (did not answer in time)``; none without any."""
    others = _by_reason(gap for gap in missing if gap.section == OTHER_VENUE)
    reasons = [f"{names} ({reason})" for reason, names in others]
    return [f"⚠️ Tried first: {'; '.join(reasons)}"] if reasons else []


def section_name(gap: Missing) -> str:
    """``open interest``, escaped; of a market that is too young or has a gap, only its change.

    Where a venue has candles and does not offer what takers bought in them, the delta is missing.
    """
    if gap.section == "perp.open_interest" and gap.reason in {GAP, NEW}:
        return "open interest change"
    if gap.reason == UNAVAILABLE and gap.section in _DELTAS:
        return _DELTAS[gap.section]
    return SECTIONS.get(gap.section, escape(gap.section))


def page(*blocks: list[str]) -> str:
    """Return the blocks with a blank line between them; empty ones are left out."""
    return "\n\n".join("\n".join(block) for block in blocks if block)


def clock(epoch_ms: int) -> str:
    """Return the last line: ``🕒 2025-10-01 12:00:05 UTC · 20:00:05 SGT``."""
    return f"🕒 {f.moment(epoch_ms)}"
