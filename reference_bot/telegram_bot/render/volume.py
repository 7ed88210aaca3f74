"""The answers to ``/volume``, ``/cvd`` and ``/volscan``. Pure."""

from typing import Final

from reference_bot.api import GAP, NEW, OTHER_VENUE, Cvd, Spike, VolumeScan, VolumeSpike
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.common import (
    base_of,
    clock,
    flow,
    in_vain,
    market,
    notes,
    page,
    stale_note,
    title,
    venue,
)
from reference_bot.telegram_bot.render.html import bold, escape

_TRENDS: Final = {"RISING": "📈", "FALLING": "📉"}
_DIVERGENCES: Final = {
    "bullish": "🟢 BULLISH: the price fell while takers bought on balance",
    "bearish": "🔴 BEARISH: the price rose while takers sold on balance",
}


def render_volume(data: VolumeSpike) -> str:
    """Return the last closed candle against the 96 before it, as HTML; markup never spans lines."""
    base, bar = base_of(data.symbol), data.bar
    taker = [] if data.flow is None else [f"Delta: {flow(data.flow, base, bar.close, bar.end)}"]
    return page(
        [_title("📢", "volume", data.symbol, data.timeframe, data.market, data.venue)],
        [
            f"Activity: {bold(f.activity(escape(data.activity.level), data.activity.ratio))}",
            f"Volume: {f.amount(bar.volume, escape(base))}{_turnover(bar.turnover)}",
            f"Average: {f.amount(data.mean_volume, escape(base))} (of the 96 candles before)",
            f"Against average: {f.percent(data.spike_pct, 1)}",
            *taker,
            f"Price: {f.price(bar.close)} {f.lit_percent(bar.change_pct)}",
        ],
        [*notes(data), clock(data.time)],
    )


def render_cvd(data: Cvd) -> str:
    """Return cumulative volume delta, and whether the price goes with it, as HTML."""
    base = base_of(data.symbol)
    change = f.lit_percent(data.price_change_pct)
    day = [] if data.cvd_24h is None else [f"24h CVD: {_signed(data.cvd_24h, base)}"]
    count = len(data.points)
    return page(
        [_title("🌊", "CVD", data.symbol, data.timeframe, data.market, data.venue)],
        [
            f"CVD: {bold(f.delta(data.cvd, escape(base), data.cvd * data.price))}",
            f"Over: {count} closed candles of {escape(data.timeframe)}",
            *day,
            f"Trend: {_TRENDS.get(data.trend, '➡️')} {escape(data.trend)}",
            f"Price: {f.price(data.price)} {change}",
            f"Divergence: {_DIVERGENCES.get(data.divergence or '', 'none')}",
        ],
        [*notes(data), clock(data.time)],
    )


def render_scan(data: VolumeScan) -> str:
    """Return the symbols whose volume stands out, most first, as HTML; markup never spans lines."""
    threshold = f.percent(data.threshold_pct, 0)
    rows = [_spike(one) for one in data.spikes]
    none = f"No symbol is {threshold} over its average volume just now."
    return page(
        [
            title(
                "🔎", "Volume scan", escape(data.timeframe), market(data.market), venue(data.venue)
            )
        ],
        [f"{data.scanned} symbols scanned{_too_new(data)}, threshold {threshold} over average"],
        rows or [none],
        [*(stale_note(data) or _unseen(data)), clock(data.time)],
    )


def _title(emoji: str, what: str, symbol: str, timeframe: str, kind: str, where: str) -> str:  # noqa: PLR0917 - one line's words, in their order
    return title(emoji, escape(symbol), f"{what} {escape(timeframe)}", market(kind), venue(where))


def _turnover(value: float | None) -> str:
    return "" if value is None else f" ({f.money(value)})"


def _signed(value: float, base: str) -> str:
    return f"{f.light(value)} {f.signed_amount(value, escape(base))}"


def _spike(one: Spike) -> str:
    side = "" if one.flow is None else f" · {f.long_short(one.flow.long_short)}"
    change = f.lit_percent(one.change_pct)
    name = bold(escape(one.symbol))
    return f"{name} {f.percent(one.spike_pct, 0)} · {f.price(one.price)} {change}{side}"


def _unseen(data: VolumeScan) -> list[str]:
    """Return what to say of those unseen: a scan may miss a few of many symbols: their number is
    told, not each one's reason."""
    unseen = [gap for gap in data.gaps if gap.section != OTHER_VENUE and gap.reason != NEW]
    waiting = sum(gap.reason == "queued" for gap in unseen)
    holed = sum(gap.reason == GAP for gap in unseen)
    lost = len(unseen) - waiting - holed
    notes = in_vain(data.gaps)
    if lost:
        notes.append(f"⚠️ Not in the scan: {_symbols(lost)} without candles just now")
    if holed:
        notes.append(f"⚠️ Not in the scan: {_symbols(holed)} with a gap in the candles")
    if waiting:
        notes.append(
            f"⏳ Still to come: {_symbols(waiting)}. {venue(data.venue)} is at its request limit; "
            f"tap 🔄 in {data.rest_in or 1:.0f} s to see them, too"
        )
    return notes


def _too_new(data: VolumeScan) -> str:
    """Return how many symbols have no average yet: that is no trouble of anybody's."""
    count = sum(gap.reason == NEW for gap in data.gaps)
    return f" ({count} {'is' if count == 1 else 'are'} too new)" if count else ""


def _symbols(count: int) -> str:
    return "1 symbol" if count == 1 else f"{count} symbols"
