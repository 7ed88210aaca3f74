"""The answer to ``/oi``: open interest over venues, by what the contracts are margined in. Pure."""

from collections.abc import Sequence
from typing import Final

from reference_bot.telegram_bot.figures import MultiInterest, VenueInterest
from reference_bot.telegram_bot.market_data import Missing
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.common import blamed, clock, in_need, page, title, venue
from reference_bot.telegram_bot.render.html import bold, escape

_COIN_QUOTE: Final = "USD"  # contracts quoted in dollars proper are margined in the coin itself


def render_interest(data: MultiInterest) -> str:
    """Sum, groups and venues, as HTML; markup never spans lines."""
    stable = [one for one in data.venues if one.quote != _COIN_QUOTE]
    coin = [one for one in data.venues if one.quote == _COIN_QUOTE]
    return page(
        [title("🏦", f"{escape(data.base)} open interest", _venues(len(data.venues)))],
        [_total(data), *_change(data)],
        _group("💵", "STABLE-MARGINED", stable, data.base),
        _group("🪙", "COIN-MARGINED", coin, data.base),
        [*(in_need(data) or _missing(data)), clock(data.time)],
    )


def _venues(count: int) -> str:
    return f"{count} venue{'' if count == 1 else 's'}"


def _total(data: MultiInterest) -> str:
    return f"Total: {bold(f.money(data.value))} ({f.amount(data.amount, escape(data.base))})"


def _change(data: MultiInterest) -> list[str]:
    if (moved := data.change_24h) is None:
        return []
    shown = f.change(moved.amount, escape(data.base), moved.value, moved.pct)
    return [f"24h change: {shown}"]


def _group(emoji: str, name: str, rows: Sequence[VenueInterest], base: str) -> list[str]:
    if not rows:
        return []
    value = f.money(sum(one.value for one in rows if f.known(one.value) is not None))
    lines = [f"{emoji} {bold(name)} · {value}"]
    for one in rows:
        lines += _venue(one, base)
    return lines


def _venue(one: VenueInterest, base: str) -> list[str]:
    share = f.plain(one.share_pct)
    facts = [
        f"{venue(one.venue)} {escape(one.symbol)}: {f.money(one.value)}",
        f.amount(one.amount, escape(base)),
        f"{share}%" if share != f.NOT_KNOWN else share,
    ]
    if one.change_24h is not None:
        facts.append(f"24h {f.lit_percent(one.change_24h.pct)}")
    if one.change_15m is not None:
        facts.append(f"15m {f.percent(one.change_15m.pct)}")
    if one.funding is not None:
        facts.append(f"funding {f.funding_rate(one.funding.rate)}")
    return [" · ".join(facts)]


def _missing(data: MultiInterest) -> list[str]:
    """Venues that are not in the sum; a history that a venue lacks is no gap in it."""
    there = {one.venue for one in data.venues}
    absent: dict[str, Missing] = {}
    for gap in data.missing:
        if gap.venue not in there:
            absent.setdefault(gap.venue, gap)
    if not absent:
        return []
    return [f"⚠️ Not in the sum: {blamed(absent.values())}"]
