"""The answer to ``/price`` of several symbols: a few lines each. Pure."""

from collections.abc import Sequence

from reference_bot.api import CombinedPrice, PerpBlock
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.common import (
    clock,
    gaps,
    page,
    stale_note,
    venue,
    what_it_is,
)
from reference_bot.telegram_bot.render.forex import closed, is_forex, prices_of
from reference_bot.telegram_bot.render.html import bold, escape


def render_prices(found: Sequence[CombinedPrice | str]) -> str:
    """Return a block for each symbol, in the order asked for; a sentence where there
    are no figures."""
    blocks = [[f"⚠️ {escape(one)}"] if isinstance(one, str) else _block(one) for one in found]
    figures = [one for one in found if not isinstance(one, str)]
    if not figures:
        return page(*blocks)
    first = escape(figures[0].base)
    more = f"All figures of {first}: /price {first}"
    return page(*blocks, [more, clock(max(one.time for one in figures))])


def _block(data: CombinedPrice) -> list[str]:
    main, perp = data.spot or data.perp, data.perp
    if main is None:
        return [_title(data), *(stale_note(data) or gaps(data.gaps) or [f.NOT_KNOWN])]
    write = prices_of(data.symbol, data.venue)
    lines = [
        _title(data),
        *what_it_is(data.base, data.asset or "", data.asset_name or ""),
        f"Price: {bold(write.price(main.price))} · 24h: {f.lit_percent(main.change_24h_pct)}"
        + ("" if is_forex(data.venue) or data.spot else " (perpetual)"),
        f"24h range: {write.span(main.low_24h, main.high_24h)}",
    ]
    if not is_forex(data.venue):
        lines.append(f"24h volume: {f.money(main.turnover_24h)}")
    if perp is not None:
        lines += _perpetual(perp)
    return [*lines, *closed(data.spot), *stale_note(data)]


def _title(data: CombinedPrice) -> str:
    return f"📊 {bold(escape(data.symbol))} · {venue(data.venue)}"


def _perpetual(perp: PerpBlock) -> list[str]:
    interest, funding = perp.open_interest, perp.funding
    facts = []
    if interest is not None:
        facts.append(f"Open interest: {f.money(interest.value)}")
    if funding is not None:
        facts.append(f"Funding: {f.funding_rate(funding.rate)}")
    return [" · ".join(facts)] if facts else []
