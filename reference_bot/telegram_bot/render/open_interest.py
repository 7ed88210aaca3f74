"""The answer to ``/oi``: open interest over venues, by what the contracts are margined in. Pure."""

from typing import Final

from reference_bot.api import MarginInterest, Missing, MultiInterest, VenueInterest
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.common import (
    blamed,
    clock,
    page,
    stale_note,
    title,
    venue,
    what_it_is,
)
from reference_bot.telegram_bot.render.html import bold, escape

_GROUPS: Final = {"stable": "💵 <b>STABLE-MARGINED</b>", "coin": "🪙 <b>COIN-MARGINED</b>"}


def render_interest(data: MultiInterest) -> str:
    """Return sum, groups and venues as HTML; markup never spans lines."""
    venues = len({one.venue for one in data.venues})
    return page(
        [
            title(
                "🏦",
                f"{escape(data.base)} open interest",
                f"{venues} venue{'' if venues == 1 else 's'}",
            ),
            *what_it_is(data.base, data.asset or ""),
        ],
        [
            f"Total: {bold(f.money(data.value))} ({f.amount(data.amount, escape(data.base))})",
            *_change(data),
        ],
        *(_group(group, data) for group in data.by_margin),
        [*(stale_note(data) or _missing(data)), clock(data.time)],
    )


def _change(data: MultiInterest) -> list[str]:
    if (moved := data.change_24h) is None:
        return []
    shown = f.change(moved.amount, escape(data.base), moved.value, moved.pct)
    return [f"24h change: {shown}"]


def _group(group: MarginInterest, data: MultiInterest) -> list[str]:
    name = _GROUPS.get(group.margin, bold(escape(group.margin)))
    amount = f.amount(group.amount, escape(data.base))
    lines = [f"{name} · {f.money(group.value)} · {amount} · {_share(group.share_pct)}"]
    for one in data.venues:
        if one.margin == group.margin:
            lines += _venue(one, data.base)
    return lines


def _share(percent: float) -> str:
    share = f.plain(percent)
    return f"{share}%" if share != f.NOT_KNOWN else share


def _venue(one: VenueInterest, base: str) -> list[str]:
    """Return two lines: one is too long for a phone."""
    size = [f.money(one.value), f.amount(one.amount, escape(base)), _share(one.share_pct)]
    facts = []
    if one.change_24h is not None:
        facts.append(f"24h {f.lit_percent(one.change_24h.pct)}")
    if one.change_15m is not None:
        facts.append(f"15m {f.percent(one.change_15m.pct)}")
    if one.funding is not None:
        facts.append(f"funding {f.funding_rate(one.funding.rate)}")
    name = f"{bold(venue(one.venue))} {escape(one.symbol)}"
    return [f"{name}: {' · '.join(size)}", *([" · ".join(facts)] if facts else [])]


def _missing(data: MultiInterest) -> list[str]:
    """Return the venues and margins that are not in the sum; a history that a venue
    lacks is no gap in it."""
    there = {(one.venue, one.margin) for one in data.venues}
    venues = {one.venue for one in data.venues}
    absent: dict[str, dict[str, Missing]] = {}
    for gap in data.gaps:
        margin = "coin" if gap.section.startswith("inverse") else "stable"
        if (gap.venue, margin) not in there:
            part = f", {margin}-margined" if gap.venue in venues else ""
            absent.setdefault(part, {}).setdefault(gap.venue, gap)
    return [f"⚠️ Not in the sum{part}: {blamed(gaps.values())}" for part, gaps in absent.items()]
