"""The table of commands, what people type, and the pieces between."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram import Message

from reference_bot.telegram_bot.backoff import Backoff
from reference_bot.telegram_bot.commands.arguments import DAYS, MARKET, QUARTER, SYMBOL, THRESHOLD
from reference_bot.telegram_bot.commands.model import BadArgumentError, Command, Request
from reference_bot.telegram_bot.commands.table import COMMANDS
from reference_bot.telegram_bot.commands.typed import read_command
from reference_bot.telegram_bot.update import NotAnUpdateError, check_update, lane_of


def command(name: str) -> Command:
    return next(one for one in COMMANDS if one.name == name)


PRICE = command("price")


@pytest.mark.parametrize(
    ("typed", "symbol"),
    [
        ("btc", "BTC"),
        ("BTC/usdt", "BTC/USDT"),
        ("btc-usdt", "BTC-USDT"),
        ("BTCUSDT", "BTCUSDT"),
        ("1000pepe", "1000PEPE"),
        ("$sol", "SOL"),
        ("btc/usdt:usdt", "BTC/USDT:USDT"),
    ],
)
def test_symbols_in_any_usual_spelling(typed: str, symbol: str) -> None:
    assert PRICE.parse([typed]) == {"SYM": symbol}


@pytest.mark.parametrize(
    ("typed", "symbols"),
    [
        ("btc eth sol", "BTC ETH SOL"),
        ("btc,eth;sol|xrp、doge", "BTC ETH SOL XRP DOGE"),
        ("[btc] (eth) #sol, and $xrp", "BTC ETH SOL XRP"),
        ("btc eth btc", "BTC ETH"),
        ("btc usdt eth usdt", "BTC/USDT ETH/USDT"),
        ("eur usd gold", "EUR/USD GOLD"),
        ("usdt usdc", "USDT USDC"),
        ("ethusdt.p btc–usdt", "ETHUSDT.P BTC-USDT"),
        ("/btc eth- \u0130mx l\u0131nk", "BTC ETH IMX LINK"),
        ("btc 15m", "BTC"),
        ("4 hours btc", "BTC"),
        ("btc vs. eth", "BTC ETH"),
        ("btc&eth or sol", "BTC ETH SOL"),
        ("the price of btc please", "BTC"),
        ("btcusd perp", "BTCUSD-PERP"),
        ("btc usdt perpetual", "BTC/USDT-PERP"),
        ("btc in usd", "BTC/USD"),
        ("btc to eth", "BTC TO ETH"),
        ("in", "IN"),
        ("and", "AND"),
        ("binance:btcusdt fx_idc:eurusd", "BINANCE:BTCUSDT FX_IDC:EURUSD"),
        ("btc🚀🚀 🌙eth", "BTC ETH"),
        ("१०००pepe ١INCH", "1000PEPE 1INCH"),
        ("ВТС Ξ ₿", "BTC ETH"),
        ("btc@binance eth at okx gate", "BTC ETH GATE"),
        ("spot btc", "BTC-SPOT"),
        ("what is 0,5 btc in eur?", "BTC/EUR"),
        ("btc?eth!sol", "BTC ETH SOL"),
        ("btc/usdt/15m", "BTC/USDT"),
    ],
)
def test_several_symbols_are_one_question(typed: str, symbols: str) -> None:
    assert PRICE.parse(typed.split()) == {"SYM": symbols}
    assert PRICE.parse(symbols.split()) == {"SYM": symbols}, "as its button says it"


def message(text: str, *, group: bool = False, marked: bool = True, caption: bool = False) -> Any:
    mark = [{"type": "bot_command", "offset": 0, "length": 6}] if marked else []
    said = (
        {"caption": text, "caption_entities": mark} if caption else {"text": text, "entities": mark}
    )
    chat = {"id": -5, "type": "group", "title": "G"} if group else {"id": 5, "type": "private"}
    found: Any = Message.de_json({"message_id": 1, "date": 1, "chat": chat, **said}, None)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "/price btc",
        "/PRICE btc",
        "/price\nbtc",
        "/price: btc",
        "/price\u00a0btc",
        "/price@The_Bot btc",
        "/price @the_bot btc",
        "@the_bot, /price btc",
        "\u200f/price \u2068btc\u2069",
        "\ufeff/price ｂｔｃ\ufe0f 🚀",
    ],
)
@pytest.mark.parametrize("caption", [False, True])
@pytest.mark.parametrize("group", [False, True])
def test_a_command_is_read_as_it_was_meant(text: str, caption: bool, group: bool) -> None:
    typed = read_command(message(text, caption=caption, group=group), "the_bot")
    assert typed is not None
    assert (typed.name, typed.elsewhere) == ("price", False)
    assert PRICE.parse(list(typed.words)) == {"SYM": "BTC"}


def test_what_telegram_does_not_mark_is_a_command_in_a_private_chat_only() -> None:
    assert read_command(message("／price btc", marked=False), "the_bot") is not None
    assert read_command(message("／price btc", marked=False, group=True), "the_bot") is None
    for text in ("btc", "/", "/ 2", "1/price", "we asked /price btc"):
        assert read_command(message(text, marked=False), "the_bot") is None


def test_a_command_for_another_bot_is_not_ours() -> None:
    typed = read_command(message("/price@other_bot btc"), "the_bot")
    assert typed is not None
    assert (typed.elsewhere, typed.shown) == (True, "/price@other_bot")


KNOWN = {one.name for one in COMMANDS}


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("/price_btc_usdt", "price", ["btc", "usdt"]),
        ("/pricebtc", "price", ["btc"]),
        ("/top10perps", "top10", ["perps"]),
        ("/top 10 perps", "top10", ["perps"]),
        ("/signalon", "signal", ["on"]),
        ("/price btc /oi eth", "price", ["btc"]),
        ("/price btc /price@the_bot eth", "price", ["btc", "eth"]),
        ("/price /btc /eth", "price", ["btc", "eth"]),
        ("/price btc / usdt", "price", ["btc/usdt"]),
        ("🚀 /price btc", "price", ["btc"]),
        ("“/price btc”", "price", ["btc”"]),
        ("@the_bot price btc", "price", ["btc"]),
        ("/prices", "prices", []),
        ("/volumescan", "volumescan", []),
        ("/oil", "oil", []),
    ],
)
def test_what_is_written_together_with_a_command_is_taken_apart(
    text: str, name: str, words: list[str]
) -> None:
    typed = read_command(message(text), "the_bot", KNOWN)
    assert typed is not None
    assert (typed.name, list(typed.words)) == (name, words)


def test_in_a_group_a_longer_command_may_be_another_bots() -> None:
    typed = read_command(message("/price_list", group=True), "the_bot", KNOWN)
    assert typed is not None
    assert typed.name == "price_list"
    typed = read_command(message("/price_btc@the_bot", group=True), "the_bot", KNOWN)
    assert typed is not None
    assert (typed.name, typed.words) == ("price", ("btc",))


def test_in_a_group_the_bots_name_is_enough_and_another_bots_is_not() -> None:
    said = message("@The_Bot, price btc", group=True, marked=False)
    typed = read_command(said, "the_bot", KNOWN)
    assert typed is not None
    assert (typed.name, typed.words) == ("price", ("btc",))
    for text in ("@the_bot thank you", "@the_bottom price btc", "@other_bot price btc"):
        assert read_command(message(text, group=True, marked=False), "the_bot", KNOWN) is None


def test_a_month_is_no_minute() -> None:
    with pytest.raises(BadArgumentError, match="“1M” is not a timeframe"):
        QUARTER.parse("1M")


@pytest.mark.parametrize(
    ("typed", "frame"),
    [
        ("15min", "15m"),
        ("1hr", "1h"),
        ("4hours", "4h"),
        ("60m", "1h"),
        ("1D", "1d"),
        ("1H,", "1h"),
        ("１５ｍ", "15m"),
        ("۱۵م".replace("م", "m"), "15m"),
        ("H4", "4h"),
        ("m15", "15m"),
        ("60", "1h"),
        ("daily", "1d"),
        ("D", "1d"),
        ("0.5h", "30m"),
        ("4hourly", "4h"),
        ("1440m", "1d"),
    ],
)
def test_timeframes_in_usual_spellings(typed: str, frame: str) -> None:
    assert QUARTER.parse(typed) == frame


def test_other_arguments_with_marks_around_them() -> None:
    assert THRESHOLD.parse("+300%,") == "300"
    assert MARKET.parse("Spot.") == "spot"
    assert DAYS.parse("７D.") == "7d"
    assert THRESHOLD.parse("٢٠٠٪") == "200"
    assert THRESHOLD.parse("3x") == THRESHOLD.parse("x3") == "200"
    assert THRESHOLD.parse("2k") == THRESHOLD.parse("2,000%") == "2000"
    with pytest.raises(BadArgumentError):
        THRESHOLD.parse("-300")


@pytest.mark.parametrize(
    ("typed", "days"),
    [
        ("7", "7d"),
        ("7 days", "7d"),
        ("1 week", "7d"),
        ("1w", "7d"),
        ("24h", "1d"),
        ("day", "1d"),
        ("month", "30d"),
        ("last week", "7d"),
        ("today", "1d"),
        ("3 months", "90d"),
        ("", "7d"),
    ],
)
def test_a_period_in_usual_spellings(typed: str, days: str) -> None:
    assert command("pnl").parse(typed.split()) == {"DAYS": days}


@pytest.mark.parametrize("period", ["2d", "3 weeks", "1h", "8 hours", "years", "7x", "d"])
def test_a_period_that_there_is_not_is_refused(period: str) -> None:
    with pytest.raises(BadArgumentError):
        command("pnl").parse(period.split())


@pytest.mark.parametrize(
    ("typed", "name", "arguments"),
    [
        ("15m btc", "volume", {"SYM": "BTC", "TIMEFRAME": "15m"}),
        ("btc usdt 4 hours", "volume", {"SYM": "BTC/USDT", "TIMEFRAME": "4h"}),
        ("btc perp H1", "analysis", {"SYM": "BTC-PERP", "TIMEFRAME": "1h"}),
        ("btc 1h", "oi", {"COIN": "BTC"}),
        ("perps 24h", "top10", {"MARKET": "perps"}),
        ("300% 15 min", "volscan", {"PERCENT": "300", "TIMEFRAME": "15m"}),
        ("eur usd", "signal", {"PAIR": "EUR/USD", "SWITCH": ""}),
        ("on", "signal", {"PAIR": "on", "SWITCH": ""}),
        ("Stop!", "signal", {"PAIR": "off", "SWITCH": ""}),
        ("btc 4h perp", "cvd", {"SYM": "BTC-PERP", "TIMEFRAME": "4h"}),
        ("spot btc-15m", "volume", {"SYM": "BTC-SPOT", "TIMEFRAME": "15m"}),
        ("btcusdt,1h", "volume", {"SYM": "BTCUSDT", "TIMEFRAME": "1h"}),
        ("200 percent", "volscan", {"PERCENT": "200", "TIMEFRAME": "15m"}),
        ("1 thousand an hour", "volscan", {"PERCENT": "1000", "TIMEFRAME": "1h"}),
        ("btc tf=4h", "cvd", {"SYM": "BTC", "TIMEFRAME": "4h"}),
        ("btc timeframe 4h", "cvd", {"SYM": "BTC", "TIMEFRAME": "4h"}),
        ("btc last 4 hours", "cvd", {"SYM": "BTC", "TIMEFRAME": "4h"}),
        ("btc an hour", "volume", {"SYM": "BTC", "TIMEFRAME": "1h"}),
        ("btc half an hour", "volume", {"SYM": "BTC", "TIMEFRAME": "30m"}),
        ("one 1h", "cvd", {"SYM": "ONE", "TIMEFRAME": "1h"}),
        ("sol perpetual swap", "oi", {"COIN": "SOL-PERP"}),
    ],
)
def test_words_find_their_argument(typed: str, name: str, arguments: dict[str, str]) -> None:
    assert command(name).parse(typed.split()) == arguments


@pytest.mark.parametrize(
    ("typed", "name", "line"),
    [
        ("15m", "volume", "Which symbol? For example /volume BTC 15m"),
        ("btc eth", "volume", "“eth” is not a timeframe: use one of "),
        ("btc 1h", "signal", "“1h” does not belong there: write /signal PAIR"),
        ("7d 30d", "pnl", "“30d” does not belong there: write /pnl [7d]"),
    ],
)
def test_a_word_without_an_argument_is_named(typed: str, name: str, line: str) -> None:
    with pytest.raises(BadArgumentError) as caught:
        command(name).parse(typed.split())
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "Which symbol? For example /price BTC"),
        (["💥<b>&"], "“💥<b>&” is not a symbol: write it like BTC, BTCUSDT or BTC/USDT"),
        (
            ["BTC", "ETH", "SOL", "XRP", "DOGE", "ADA"],
            "That is 6 symbols: I take up to 5 at once, like /price BTC ETH SOL",
        ),
        (["x" * 300], f"“{'x' * 40}” is not a symbol: write it like BTC, BTCUSDT or BTC/USDT"),
        (["\u202eCTB"], "“\u202eCTB” is not a symbol: write it like BTC, BTCUSDT or BTC/USDT"),
    ],
)
def test_a_bad_argument_gets_one_line(words: list[str], line: str) -> None:
    with pytest.raises(BadArgumentError) as caught:
        PRICE.parse(words)
    assert str(caught.value) == line


@given(st.text(min_size=1))
def test_whatever_is_typed_is_a_symbol_or_a_bad_argument(typed: str) -> None:
    try:
        symbol = SYMBOL.parse(typed)
    except BadArgumentError as error:
        assert len(str(error)) < 200  # noqa: PT017 - either outcome is right, each in its way
    else:
        assert all(one.isalnum() or one in "/_:.-" for one in symbol)
        assert symbol == symbol.upper()


def test_the_table_fits_telegrams_menu() -> None:
    """setMyCommands takes names of 1 to 32 of a-z 0-9 _, descriptions of 1 to 256."""
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
    for command in COMMANDS:
        assert command.name.replace("_", "").isalnum()
        assert command.name == command.name.lower()
        assert len(command.name) <= 32
        assert 1 <= len(command.summary) <= 256


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["start", "help"])
async def test_start_and_help_list_the_whole_table(name: str) -> None:
    command: Command = next(c for c in COMMANDS if c.name == name)
    no_market: Any = None
    text = await command.answer(Request({}, no_market, COMMANDS))
    for listed in COMMANDS:
        assert f"{listed.usage} – {listed.summary}" in text


@pytest.mark.parametrize(
    ("update", "lane"),
    [
        ({"message": {"chat": {"id": 5}, "from": {"id": 6}}}, 5),
        ({"edited_message": {"chat": {"id": -5}}}, -5),
        ({"callback_query": {"from": {"id": 6}, "message": {"chat": {"id": 5}}}}, 5),
        ({"callback_query": {"from": {"id": 6}}}, 6),
        ({"inline_query": {"from": {"id": 6}}}, 6),
        ({"my_chat_member": {"chat": {"id": 5}, "from": {"id": 6}}}, 5),
        ({"telepathy": {"thought": 1}}, 900),
        ({"message": {"chat": "odd"}}, 900),
    ],
)
def test_the_lane_of_an_update(update: dict[str, Any], lane: int) -> None:
    assert lane_of({"update_id": 900, **update}) == lane


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
kinds = st.sampled_from(["message", "edited_message", "callback_query", "inline_query", "poll"])
fields = st.sampled_from(["message_id", "date", "chat", "from", "id", "query", "type"])


@given(st.dictionaries(kinds, json_values | st.dictionaries(fields, json_values)), json_values)
def test_any_json_is_an_update_or_refused_with_a_reason(body: dict[str, Any], number: Any) -> None:
    try:
        update = check_update({"update_id": number, **body})
    except NotAnUpdateError as error:
        assert "the body is no update" in str(error)  # noqa: PT017 - as above
    else:
        assert isinstance(lane_of(update), int)


def test_backoff_doubles_up_to_its_longest_and_starts_over() -> None:
    backoff = Backoff(1.0)
    assert [backoff.next() for _ in range(5)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    backoff.reset()
    assert backoff.next() == 0.25
    assert [backoff.next(asked) for asked in (7.0, 3600.0)] == [7.0, 60.0]


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("/price btc\n/oi btc", [("oi", ["btc"])]),
        ("/price btc /oi eth /price sol", [("oi", ["eth"]), ("price", ["sol"])]),
        ("/price btc\n/oi@other_bot eth\n/cvd sol 1h", [("oi", ["eth"]), ("cvd", ["sol", "1h"])]),
        ("/price btc\n/price eth", []),
        ("/price btc / usdt", []),
    ],
)
def test_the_commands_that_follow_in_a_message_are_read_too(
    text: str, then: list[tuple[str, list[str]]]
) -> None:
    typed = read_command(message(text), "the_bot", KNOWN)
    assert typed is not None
    assert [(one.name, list(one.words)) for one in typed.then] == then
    assert [one.name for one in typed.then if one.elsewhere] == ["oi"] * ("other_bot" in text)
