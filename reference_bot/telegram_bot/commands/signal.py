"""``/signal PAIR``: a side with its confidence, or why there is no trade.

``/signal on`` and ``/signal off``: whether signals come to this chat by themselves. The button
under a signal is both: it switches, and refreshes the signal that it stands under.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from reference_bot.api import Analysis, Cvd
from reference_bot.telegram_bot.commands.buttons import fits, keyboard
from reference_bot.telegram_bot.commands.model import BadArgumentError, Command, Request, Row
from reference_bot.telegram_bot.market_data import MarketData, MarketDataError
from reference_bot.telegram_bot.render import auto_signals as said
from reference_bot.telegram_bot.render.common import stale_note
from reference_bot.telegram_bot.render.forex import is_forex
from reference_bot.telegram_bot.render.html import escape
from reference_bot.telegram_bot.render.trading import render_signal
from reference_bot.telegram_bot.signals.model import SignalsUnavailableError
from reference_bot.telegram_bot.trading import FOREX_QUIET, QUIET, NoTrade, Readings, Trade, judge

_TIMEFRAME: Final = "15m"
_SWITCHES: Final = frozenset({"on", "off"})
_NOT_KEPT: Final = "⚠️ I could not save that just now. Try again in a minute."


async def answer(request: Request) -> str:
    """Switch what is to be switched, and give the signal that is asked for.

    Raises BadArgumentError for a switch beside a pair.
    """
    pair, switch = request.arguments["PAIR"], request.arguments["SWITCH"]
    if pair in _SWITCHES:
        if switch:
            raise BadArgumentError(f"“{switch}” does not belong there: write /signal {pair}")
        return await _switched(request, pair)
    if not switch:
        return await _signal(request, pair)
    state = (await _switched(request, switch)).splitlines()[0]
    try:
        signal = await _signal(request, pair)
    except MarketDataError as error:  # what was switched has to be told all the same
        signal = f"⚠️ {escape(str(error))}"
    return f"{signal}\n\n{state}"


async def _signal(request: Request, pair: str) -> str:
    judged = await evaluate(request.market_data, pair)
    return render_signal(judged.data, judged.found)


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of a pair, and from which figures.

    ``stale``: no exchange answered, and the figures are the last good ones.
    """

    data: Analysis
    found: Trade | NoTrade
    stale: bool


async def evaluate(market_data: MarketData, pair: str) -> Judged:
    """Ask market-data for the indicators and, beside that, for the closes.

    A currency pair has no CVD: then the closes are those of the analysis. Raises MarketDataError.
    """
    question = {"symbol": pair, "timeframe": _TIMEFRAME}
    data, candles = await asyncio.gather(
        market_data.ask("/comprehensive_analysis", question, Analysis, about=pair),
        _cvd(market_data, question, pair),
    )
    forex, block = is_forex(data.venue), data.price.spot
    readings = Readings(
        closes=[point.close for point in candles.points] if candles else data.closes,
        rsi=data.technical.rsi_14,
        atr=data.technical.atr_14,
        delta=candles.cvd if candles else 0.0,
        quiet=FOREX_QUIET if forex else QUIET,
        closed=forex and block is not None and block.closed_since is not None,
    )
    old = stale_note(data) or (candles is not None and stale_note(candles))
    return Judged(data, judge(readings), bool(old))


async def _cvd(market_data: MarketData, question: dict[str, str], pair: str) -> Cvd | None:
    """Return None for a currency pair, of which none is told."""
    try:
        return await market_data.ask("/cvd", question, Cvd, about=pair)
    except MarketDataError as error:
        if error.code != "not_offered":
            raise
        return None


async def buttons(request: Request, command: Command) -> list[Row]:
    """Refresh, where there is a signal; and the switch, where auto-signals are running."""
    pair = request.arguments["PAIR"]
    rows = [] if pair in _SWITCHES else keyboard(command, request.arguments)
    if request.subscriptions is None or request.chat is None or request.direct:
        return rows
    try:
        running = await request.subscriptions.wants(request.chat)
    except SignalsUnavailableError:
        return rows
    return [*rows, [switch_button("" if pair in _SWITCHES else pair, on=not running)]]


def switch_button(pair: str, *, on: bool) -> tuple[str, str]:
    """Return the button that switches auto-signals; with a ``pair``, its signal stays in the
    message.

    A pair that is too long for a button is left out.
    """
    label, switch = ("🔔 Auto-signals on", "on") if on else ("🔕 Auto-signals off", "off")
    data = f"signal {pair} {switch}"
    return label, data if pair and fits(data) else f"signal {switch}"


async def _switched(request: Request, switch: str) -> str:
    if request.forwarded:
        return said.render_forwarded(switch)
    subscriptions = request.subscriptions
    if subscriptions is None or request.chat is None:
        return said.render_not_running()
    try:
        if switch == "off":
            await subscriptions.stop(request.chat)
            return said.render_off()
        if request.direct:
            return said.render_direct()
        await subscriptions.start(request.chat, request.user or request.chat)
    except SignalsUnavailableError:
        return _NOT_KEPT
    return said.render_on(subscriptions.terms)
