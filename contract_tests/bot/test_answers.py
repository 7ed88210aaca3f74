"""The answers of every command: what they say, and that no figure or name can break them.

The examples are market-data's own (they document its API), so the two sides are held together.
"""

import copy
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_bot.market_data
from botproof.doubles.telegram.entities import parse
from reference_bot import account_api, api
from reference_bot.telegram_bot.commands.buttons import keyboard, markup
from reference_bot.telegram_bot.commands.model import BadArgumentError
from reference_bot.telegram_bot.commands.table import COMMANDS
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.account import (
    render_balance,
    render_pnl,
    render_positions,
)
from reference_bot.telegram_bot.render.analysis import render_analysis, session
from reference_bot.telegram_bot.render.html import LIMIT, split, units
from reference_bot.telegram_bot.render.open_interest import render_interest
from reference_bot.telegram_bot.render.top import render_pairs, render_top
from reference_bot.telegram_bot.render.trading import render_signal
from reference_bot.telegram_bot.render.volume import render_cvd, render_scan, render_volume
from reference_bot.telegram_bot.trading import NoTrade, Trade

GOLDEN: Final = Path(__file__).parents[2] / "golden"
EXAMPLES: Final = json.loads(
    Path(reference_bot.market_data.__file__).with_name("examples.json").read_text("utf-8")
)
SPIKE: Final = {
    "symbol": "INJ/USDT",
    "base": "INJ",
    "price": 25.39,
    "volume": 1.0,
    "mean_volume": 0.1,
    "ratio": 8.61,
    "spike_pct": 761.0,
    "change_pct": -0.5,
    "flow": None,
}
RENDERED: Final[dict[str, tuple[str, Any, Callable[[Any], str]]]] = {
    "top": ("/top_symbols", api.TopSymbols, render_top),
    "pairs": ("/top_symbols", api.TopSymbols, render_pairs),
    "volume": ("/volume_spike", api.VolumeSpike, render_volume),
    "cvd": ("/cvd", api.Cvd, render_cvd),
    "scan": ("/volume_scan", api.VolumeScan, render_scan),
    "analysis": ("/comprehensive_analysis", api.Analysis, render_analysis),
    "interest": ("/multi_oi", api.MultiInterest, render_interest),
    "balance": ("/balance", account_api.Balance, render_balance),
    "positions": ("/positions", account_api.Positions, render_positions),
    "pnl": ("/pnl", account_api.Pnl, render_pnl),
}


def example(name: str) -> dict[str, Any]:
    data: dict[str, Any] = copy.deepcopy(EXAMPLES[RENDERED[name][0]])
    if name == "scan":
        data["spikes"] = [copy.deepcopy(SPIKE)]
    return data


def render(name: str, data: dict[str, Any]) -> str:
    _, kind, show = RENDERED[name]
    return show(msgspec.convert(data, kind))


# what they say


def test_top() -> None:
    text = render("top", example("top"))
    assert text.startswith("🏆 <b>Most traded in 24h</b> · spot · Binance\n")
    assert "1. <b>BTC/USDT</b> $96,369.23 🟢 +1.39% · $1.6B\n" in text


def test_a_list_without_rows_says_so() -> None:
    assert "Nothing is traded here" in render("top", {**example("top"), "symbols": []})
    assert "No pair is listed" in render("pairs", {**example("pairs"), "symbols": []})


def test_volume() -> None:
    text = render("volume", example("volume"))
    assert "Activity: <b>NORMAL (1.3x)</b>\n" in text
    assert "Volume: 1,493 BTC ($143.72M)\n" in text
    assert "Against average: +29.3%\n" in text
    assert "Delta: 🔴 -41.46 BTC (-$4M) · L/S: 0.95x\n" in text


@pytest.mark.parametrize(
    ("divergence", "shown"),
    [(None, "none"), ("bullish", "🟢 BULLISH: the price fell"), ("bearish", "🔴 BEARISH")],
)
def test_cvd_names_a_divergence(divergence: str | None, shown: str) -> None:
    text = render("cvd", {**example("cvd"), "divergence": divergence})
    assert f"Divergence: {shown}" in text


def test_scan_with_and_without_spikes() -> None:
    text = render("scan", example("scan"))
    assert "<b>INJ/USDT</b> +761% · $25.39 🔴 -0.50%\n" in text
    quiet = render("scan", {**example("scan"), "spikes": []})
    assert "No symbol is +100% over its average volume just now." in quiet


def test_a_scan_says_what_is_still_to_come_and_when() -> None:
    waiting = {"venue": "okx", "reason": "queued", "message": "okx takes 40 calls in 2 s"}
    gone = {"section": "X/USDT", "venue": "okx", "reason": "timeout", "message": ""}
    rows = [{"section": f"{name}/USDT", **waiting} for name in "ABC"]
    data = {**example("scan"), "venue": "okx", "rest_in": 2.0, "missing": [*rows, gone]}
    text = render("scan", data)
    assert "⚠️ Not in the scan: 1 symbol without candles just now\n" in text
    assert "⏳ Still to come: 3 symbols. OKX is at its request limit; tap 🔄 in 2 s" in text


def test_open_interest_is_grouped_by_what_contracts_are_margined_in() -> None:
    data = example("interest")
    text = render("interest", data)
    stable, coin = text.split("🪙 <b>COIN-MARGINED</b>")
    assert "<b>Hyperliquid</b> BTC:" in stable
    assert "USD_PERP" not in stable
    assert coin.startswith(" · $2.65B · 27,446 BTC · 21.49%\n<b>Binance</b> BTCUSD_PERP: $962.3M")
    assert "💵 <b>STABLE-MARGINED</b> · $9.67B" in stable
    assert "· 6 venues" in stable


def test_a_venue_that_is_missing_in_one_margin_is_named_for_that_one() -> None:
    data = example("interest")
    gone = {"section": "inverse.open_interest", "venue": "okx", "reason": "timeout", "message": ""}
    data["venues"] = [
        one for one in data["venues"] if (one["venue"], one["margin"]) != ("okx", "coin")
    ]
    data["missing"] = [gone]
    text = render("interest", data)
    assert "Not in the sum, coin-margined: OKX did not answer in time" in text


def test_a_venue_that_is_not_in_the_sum_is_named_once_with_its_reason() -> None:
    data = example("interest")
    gone = {"section": "perp", "venue": "okx", "reason": "timeout", "message": ""}
    data["venues"] = [one for one in data["venues"] if one["venue"] != "okx"]
    data["missing"] = [gone, gone]
    assert render("interest", data).count("OKX did not answer in time") == 1


STALE: Final = {
    "top": "tickers",
    "pairs": "tickers",
    "volume": "perp.candles",
    "cvd": "perp.candles",
    "scan": "candles",
    "analysis": "perp",
    "interest": "perp",
}


@pytest.mark.parametrize("name", STALE)
def test_an_answer_from_memory_says_how_old_it_is_and_why(name: str) -> None:
    data = example(name)
    data["age"] = 42.6
    data["stale"] = [{"section": STALE[name], "venue": "binance", "age": 42.6}]
    data["missing"] = [
        {"section": STALE[name], "venue": venue, "reason": reason, "message": ""}
        for venue, reason in (("binance", "outage"), ("bybit", "timeout"), ("okx", "not_listed"))
    ]
    line = "⌛ From 42 s ago: no exchange answers just now (Binance had an outage; Bybit did not"
    assert line in render(name, data)
    assert "Missing" not in render(name, data)


def test_an_answer_from_memory_blames_no_exchange_for_too_many_questions() -> None:
    data = example("analysis")
    data.update(age=7.0, stale=[{"section": "perp", "venue": "binance", "age": 7.0}])
    data["missing"] = [
        {"section": "service", "venue": "market-data", "reason": "busy", "message": ""}
    ]
    told = render("analysis", data)
    assert "⌛ From 7 s ago: there are too many questions just now" in told
    assert "no exchange" not in told


def test_a_venue_is_blamed_once_with_what_it_lacked_first() -> None:
    """How its other calls fail depends on when they were made."""
    data = example("analysis")
    data.update(age=7.0, stale=[{"section": "perp", "venue": "binance", "age": 7.0}])
    data["missing"] = [
        {"section": section, "venue": "bitget", "reason": reason, "message": ""}
        for section, reason in (("perp", "refused"), ("perp.takers", "timeout"))
    ]
    assert "(Bitget refused to answer)" in render("analysis", data)


def test_what_is_some_seconds_old_while_exchanges_answer_is_not_worth_a_line() -> None:
    data = example("analysis")
    data.update(age=7.0, stale=[{"section": "perp.funding", "venue": "binance", "age": 7.0}])
    assert "⌛" not in render("analysis", data)


def test_analysis_leaves_out_what_is_not_known() -> None:
    data = example("analysis")
    whole = render("analysis", data)
    for head in ("PRICE", "VOLUME AND CVD", "SESSION AND DAY", "TECHNICALS", "MARKET CONTROL"):
        assert f"<b>{head}</b>" in whole
    data["price"].update(spot=None, perp=None, intelligence=None)
    data.update(volume=None, cvd=None, signals=[], technical={"close": 1.0})
    bare = render("analysis", data)
    assert "TECHNICALS" not in bare
    assert "VOLUME" not in bare
    assert "n/a" not in bare


def test_accounts_are_told_where_the_exchange_counts_them() -> None:
    data = example("analysis")
    counted = {"long_short": 1.5, "long_share": 0.6, "time": 1, "period_minutes": 5}
    data["price"]["perp"]["accounts"] = counted
    assert "Accounts: 60.0% long, 40.0% short (1.50x)" in render("analysis", data)
    data["price"]["perp"]["accounts"] = None
    assert "Accounts" not in render("analysis", data)


def test_analysis_names_the_market_that_its_figures_are_of() -> None:
    data = example("analysis")
    assert " · perpetuals · " in render("analysis", data)
    data["price"]["perp"] = None
    assert " · spot · " in render("analysis", data)


def test_a_venue_that_was_asked_first_is_no_symbol_of_a_scan() -> None:
    data = example("scan")
    data["missing"] = [{"section": "venue", "venue": "binance", "reason": "outage", "message": ""}]
    text = render("scan", data)
    assert "⚠️ Tried first: Binance (had an outage)" in text
    assert "Not in the scan" not in text


@pytest.mark.parametrize(
    ("hour", "name"), [(0, "Asia"), (6, "Asia"), (7, "Europe"), (13, "US"), (21, "late US")]
)
def test_session(hour: int, name: str) -> None:
    assert session(1_767_225_600_000 + hour * 3_600_000) == name
    assert session(10**18) is None


def test_account() -> None:
    balance = render("balance", example("balance"))
    assert "0.1500 BTC · free 0.1250 BTC\n2,500.50 USDT · free 2,500.50 USDT\n" in balance
    positions = render("positions", example("positions"))
    assert "🔴 <b>ETHUSDT</b> SHORT 10 ETH ($34.33K)" in positions
    assert "No position is open." in render("positions", {**example("positions"), "positions": []})
    pnl = render("pnl", {**example("pnl"), "complete": False, "other": 1e-14})
    assert "Other" not in pnl  # what is left of a sum of floats is no profit
    assert "Net: <b>🟢 +$74.16</b>" in pnl
    assert "more entries than I could read" in pnl


# what cannot break them

numbers = st.floats()
names = st.text(max_size=30) | st.sampled_from(["<b>&", "\u202eCTB", "</b>", "&lt;", "a\nb"])
_FIXED: Final = frozenset({"divergence", "section", "reason", "side", "source"})


def varied(value: Any, drawn: st.DataObject, key: str = "") -> Any:  # noqa: PLR0911 - a case a type
    """``value`` with other numbers and names, and lists of other lengths."""
    match value:
        case dict():
            return {name: varied(item, drawn, name) for name, item in value.items()}
        case list():
            return [varied(item, drawn) for item in value * drawn.draw(st.integers(0, 3))]
        case bool() | None:
            return value
        case float():
            return drawn.draw(numbers)
        case int():
            return drawn.draw(st.integers(-(2**62), 2**62))
        case str() if key not in _FIXED:
            return drawn.draw(names)
        case _:
            return value


@pytest.mark.parametrize("name", RENDERED)
@settings(max_examples=40)
@given(drawn=st.data())
def test_no_figure_and_no_name_breaks_an_answer(name: str, drawn: st.DataObject) -> None:
    """Nothing raises, nothing is over Telegram's limit, everything parses as HTML."""
    for part in split(render(name, varied(example(name), drawn))):
        assert units(part) <= LIMIT
        assert parse(part, "HTML").text


@settings(max_examples=40)
@given(
    drawn=st.data(),
    found=st.builds(NoTrade, names)
    | st.builds(
        Trade,
        st.sampled_from(["LONG", "SHORT"]),
        st.integers(),
        st.integers(),
        numbers,
        numbers,
        numbers,
    ),
)
def test_no_figure_and_no_name_breaks_a_signal(drawn: st.DataObject, found: Any) -> None:
    data = msgspec.convert(varied(example("analysis"), drawn), api.Analysis)
    for part in split(render_signal(data, found)):
        assert units(part) <= LIMIT
        assert parse(part, "HTML").text


@given(st.floats(min_value=1e-6, max_value=1e6), st.floats(min_value=1e-6, max_value=1e6))
def test_long_short_of_swapped_sides_is_the_reciprocal(buy: float, sell: float) -> None:
    def shown(ratio: float) -> float:
        return float(f.long_short(ratio).removeprefix("L/S: ").removesuffix("x"))

    one, other = shown(buy / sell), shown(sell / buy)
    if 0.05 < one < 99.9 and 0.05 < other < 99.9:
        assert one * other == pytest.approx(1.0, rel=0.11)  # both are rounded to two places


@given(numbers)
def test_signs_agree_everywhere(value: float) -> None:
    """A figure that is red is negative in each of its forms, or rounds to zero there."""
    forms = [f.signed_money(value), f.signed_price(value), f.signed_amount(value, "X")]
    if f.light(value) == "🔴":
        assert all(form.startswith("-") for form in forms)
    elif f.light(value) == "🟢":
        assert all(form.startswith("+") for form in forms)
    else:
        assert not any(form.startswith(("+", "-")) for form in forms)


@given(numbers | st.sampled_from([-0.0, 0.004, -0.004, 0.005, -0.005, 1e300]))
def test_a_light_is_that_of_the_figure_beside_it(value: float) -> None:
    light, _, shown = f.lit_percent(value).partition(" ")
    assert shown == f.percent(value)
    assert light == {"+": "🟢", "-": "🔴"}.get(shown[0], "⚪")


@given(numbers)
def test_points_have_no_sign_at_zero(value: float) -> None:
    assert f.signed_whole(value) not in {"+0", "-0"}


@given(numbers | st.none(), st.integers(-(2**80), 2**80))
def test_no_figure_breaks_a_formatter(value: float | None, whole: int) -> None:
    """What the answers put together from is text on one line, whatever the figure."""
    shown = [
        f.holding(value, "X"),
        f.span(value, value),
        f.funding(value, value),
        f.funding_rate(value),
        f.plain(value),
        f.activity("HIGH", value),
        f.control("SELLERS", value),
        f.delta(value, "X", value),
        f.change(value, "X", value, value),
        f.lit_percent(value),
        f.signed_whole(value),
        f.seconds(value),
        f.duration(whole),
        f.moment(whole),
    ]
    known = value is not None and math.isfinite(value)
    for text in shown:
        assert text
        assert text.isprintable()
        assert not re.search("nan|inf", text, re.IGNORECASE)
    if not known:
        assert all("n/a" in text for text in shown[:-2])


def lines_of(case: str) -> list[str]:
    return (GOLDEN / f"{case}.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize("case", ["btc", "crash", "spike", "new-listing", "no-perpetual"])
def test_one_figure_looks_the_same_in_each_answer(case: str) -> None:
    """Of one market at one moment: the same rounding, units and signs in /price and /analysis."""
    interest = ("Open interest: ", "24h OI change: ", "15m OI change: ")
    labels = ("24h range: ", *interest, "24h delta: ", "15m delta: ")
    told = [line for line in lines_of(f"analysis-{case}") if line.startswith(labels)]
    assert len(told) >= 2
    assert set(told) <= set(lines_of(f"price-{case}"))


# the table holds together


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_example_of_each_command_can_be_typed(command: Any) -> None:
    arguments = command.parse(command.example.split()[1:])
    assert arguments == command.parse(list(arguments.values()))
    rows = keyboard(command, arguments)
    assert bool(markup(rows)) == (command.live or any(each.choices for each in command.arguments))


def test_a_link_to_the_bot_adds_a_word_to_start() -> None:
    start = next(command for command in COMMANDS if command.name == "start")
    assert start.parse(["promo42", "more"]) == {}
    balance = next(command for command in COMMANDS if command.name == "balance")
    with pytest.raises(BadArgumentError, match="write /balance alone"):
        balance.parse(["BTC"])


def test_an_argument_that_may_be_left_out_is_passed_over() -> None:
    scan = next(command for command in COMMANDS if command.name == "volscan")
    assert scan.parse([]) == {"PERCENT": "200", "TIMEFRAME": "15m"}
    assert scan.parse(["1h"]) == {"PERCENT": "200", "TIMEFRAME": "1h"}
    assert scan.parse(["300%", "60m"]) == {"PERCENT": "300", "TIMEFRAME": "1h"}
