"""The answers to ``/top10`` and ``/pairs``. Pure."""

from reference_bot.telegram_bot.figures import TopSymbol, TopSymbols
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.common import clock, market, notes, page, title, venue
from reference_bot.telegram_bot.render.html import bold, code, escape

_IN_A_LINE = 4


def render_top(data: TopSymbols) -> str:
    """The ranking, one line a symbol, as HTML; markup never spans lines."""
    rows = [_row(one) for one in data.symbols] or ["Nothing is traded here just now."]
    return page(
        [title("🏆", "Most traded in 24h", market(data.market), venue(data.venue))],
        rows,
        [*notes(data), clock(data.time)],
    )


def render_pairs(data: TopSymbols) -> str:
    """The pairs in standard notation, most traded first, as HTML; markup never spans lines."""
    names = [code(escape(one.symbol)) for one in data.symbols]
    lines = [" · ".join(names[at : at + _IN_A_LINE]) for at in range(0, len(names), _IN_A_LINE)]
    return page(
        [title("📒", "Pairs", market(data.market), venue(data.venue), "most traded first")],
        lines or ["No pair is listed here just now."],
        ["Every pair that the exchanges list can be asked for; these are the most traded."],
        notes(data),
    )


def _row(one: TopSymbol) -> str:
    figures = f"{f.price(one.price)} {f.lit_percent(one.change_24h_pct)}"
    return f"{one.rank}. {bold(escape(one.symbol))} {figures} · {f.money(one.turnover_24h)}"
