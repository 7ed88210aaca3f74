"""The answers to ``/top10`` and ``/pairs``. Pure."""

from collections.abc import Sequence

from reference_bot.api import ForexPairs, TopSymbol, TopSymbols
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.common import clock, market, notes, page, title, venue
from reference_bot.telegram_bot.render.html import bold, code, escape

_IN_A_LINE = 4


def render_top(data: TopSymbols) -> str:
    """Return the ranking, one line a symbol, as HTML; markup never spans lines."""
    rows = [_row(one) for one in data.symbols] or ["Nothing is traded here just now."]
    return page(
        [title("🏆", "Most traded in 24h", market(data.market), venue(data.venue))],
        rows,
        [*notes(data), clock(data.time)],
    )


def render_pairs(data: TopSymbols, forex: ForexPairs | None = None) -> str:
    """Return the pairs in standard notation, most traded first, as HTML; markup never
    spans lines."""
    lines = _lines([one.symbol for one in data.symbols])
    return page(
        [title("📒", "Pairs", market(data.market), venue(data.venue), "most traded first")],
        lines or ["No pair is listed here just now."],
        ["You can ask for any pair that the exchanges list; these are the most traded."],
        _forex(forex),
        notes(data),
    )


def _forex(forex: ForexPairs | None) -> list[str]:
    if forex is None or forex.venue is None:
        return []
    head = title("💱", "Forex and metals", venue(forex.venue))
    return [head, *_lines(forex.symbols)]


def _lines(symbols: Sequence[str]) -> list[str]:
    names = [code(escape(symbol)) for symbol in symbols]
    return [" · ".join(names[at : at + _IN_A_LINE]) for at in range(0, len(names), _IN_A_LINE)]


def _row(one: TopSymbol) -> str:
    figures = f"{f.price(one.price)} {f.lit_percent(one.change_24h_pct)}"
    return f"{one.rank}. {bold(escape(one.symbol))} {figures} · {f.money(one.turnover_24h)}"
