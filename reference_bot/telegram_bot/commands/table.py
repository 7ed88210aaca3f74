"""The one table of commands: /help, the menu, parsing, handlers, buttons and docs come from it."""

from typing import Final

from reference_bot.telegram_bot.commands import (
    analysis,
    balance,
    cvd,
    oi,
    pairs,
    pnl,
    positions,
    price,
    signal,
    start,
    top10,
    volscan,
    volume,
)
from reference_bot.telegram_bot.commands import help as help_
from reference_bot.telegram_bot.commands.arguments import (
    ABOUT,
    COIN,
    DAYS,
    HOUR,
    MARKET,
    PAIR,
    QUARTER,
    SWITCH,
    SYMBOL,
    SYMBOLS,
    THRESHOLD,
)
from reference_bot.telegram_bot.commands.model import Command

COMMANDS: Final[tuple[Command, ...]] = (
    Command("start", "say hello and list the commands", start.answer, lenient=True),
    Command("help", "list the commands", help_.answer, (ABOUT,), lenient=True),
    Command(
        "price",
        "price, market control, open interest and funding; up to 5 symbols at once",
        price.answer,
        (SYMBOLS,),
        live=True,
        whole=True,
        shared=True,
    ),
    Command("top10", "the most traded pairs", top10.answer, (MARKET,), live=True, shared=True),
    Command(
        "analysis",
        "full analysis of one pair, with a score",
        analysis.answer,
        (SYMBOL, QUARTER),
        live=True,
        shared=True,
    ),
    Command(
        "volume",
        "the last candle's volume against the average",
        volume.answer,
        (SYMBOL, QUARTER),
        live=True,
        shared=True,
    ),
    Command(
        "cvd",
        "cumulative volume delta, with divergence",
        cvd.answer,
        (SYMBOL, HOUR),
        live=True,
        shared=True,
    ),
    Command(
        "volscan",
        "symbols whose volume is that many percent over their average",
        volscan.answer,
        (THRESHOLD, QUARTER),
        live=True,
        shared=True,
    ),
    Command("oi", "open interest over all exchanges", oi.answer, (COIN,), live=True, shared=True),
    Command("balance", "balances of the exchange account", balance.answer, live=True, owners=True),
    Command("positions", "the account's open positions", positions.answer, live=True, owners=True),
    Command(
        "pnl",
        "profit and loss of the account: realised, funding, fees",
        pnl.answer,
        (DAYS,),
        live=True,
        owners=True,
    ),
    Command(
        "signal",
        "a trading signal, or why there is none; on or off: auto-signals in this chat",
        signal.answer,
        (PAIR, SWITCH),
        live=True,
        buttons=signal.buttons,
    ),
    Command(
        "pairs",
        "the pairs that you can ask for, the most traded first",
        pairs.answer,
        (MARKET,),
        shared=True,
    ),
)
