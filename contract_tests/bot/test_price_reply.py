"""The answer to /price, line by line, whole and with parts missing."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof.doubles.telegram.entities import parse
from reference_bot.api import CombinedPrice
from reference_bot.telegram_bot.render.html import LIMIT, split, units
from reference_bot.telegram_bot.render.price import render_price

WHOLE = """\
📊 <b>BTC/USDT</b> · Binance

🧠 <b>MARKET INTELLIGENCE</b>
24h control: 🟢 BUYERS (64% pressure)
24h momentum: 🚀 ACCELERATING
15m control: ⚪ BALANCED
15m activity: HIGH (2.1x)

💱 <b>SPOT</b>
Price: <b>$111,230.50</b>
24h change: 🟢 +4.62% (+$4,912.10)
24h range: $105,900.25 – $112,000.00
24h volume: 12,346 BTC ($1.37B)
24h delta: 🟢 +3,620 BTC (+$402.65M) · L/S: 1.56x
15m delta: 🔴 -12.5 BTC (-$1.39M) · L/S: 0.84x
15m activity: HIGH (2.1x)

⚡ <b>PERPETUALS</b>
Price: <b>$111,230.50</b>
24h change: 🟢 +4.62% (+$4,912.10)
24h range: $105,900.25 – $112,000.00
24h volume: 12,346 BTC ($1.37B)
Mark: $111,228.90
24h delta: 🟢 +3,620 BTC (+$402.65M) · L/S: 1.56x
15m delta: 🔴 -12.5 BTC (-$1.39M) · L/S: 0.84x
15m activity: HIGH (2.1x)
Open interest: 81,400 BTC ($9.05B)
24h OI change: 🟢 +3,595 BTC (+$423.6M) | +4.62%
15m OI change: n/a
Funding: +0.0085% (+9.31% annually)
Every 8h, next in 3h 59m
Pressure: ⚖️ BALANCED
Strategy: funding is neutral, follow the trend

🧭 <b>MARKET SUMMARY</b>
• 🟢 Buyers have controlled the last 24h
• 🟢 Price and open interest rise: new longs
• 📢 Volume is HIGH (2.1x) in the last 15m
• 🚀 Taker flow is accelerating

🕒 2025-10-01 12:00:05 UTC · 20:00:05 SGT"""


@pytest.fixture
def data(combined: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(combined)


def render(data: dict[str, Any]) -> str:
    return render_price(msgspec.convert(data, CombinedPrice))


def gap(section: str, reason: str = "timeout") -> dict[str, str]:
    return {"section": section, "venue": "binance", "reason": reason, "message": "why"}


def test_the_whole_answer(data: dict[str, Any]) -> None:
    assert render(data) == WHOLE


def test_without_spot_the_rest_stands_and_the_gap_is_named(data: dict[str, Any]) -> None:
    data["spot"], data["missing"] = None, [gap("spot")]
    text = render(data)
    assert "💱 <b>SPOT</b>\nnot available (Binance did not answer in time)\n" in text
    assert "Open interest: 81,400 BTC" in text
    assert "⚠️ Missing: spot\n" in text


def test_without_perp(data: dict[str, Any]) -> None:
    data["perp"], data["missing"] = None, [gap("perp", "not_listed")]
    text = render(data)
    assert "⚡ <b>PERPETUALS</b>\nnot available (Binance does not list it)\n" in text
    assert "Funding" not in text


def test_exchanges_that_were_asked_first_are_named_with_the_reason(data: dict[str, Any]) -> None:
    others = [{**gap("venue", "outage"), "venue": name} for name in ("bybit", "okx")]
    data["missing"] = [gap("spot.candles"), gap("venue"), *others]
    assert (
        "⚠️ Tried first: Binance (did not answer in time); Bybit, OKX (had an outage)\n"
        "⚠️ Missing: spot candles\n"
    ) in render(data)


def test_a_range_without_ends_is_not_known(data: dict[str, Any]) -> None:
    data["spot"].update(high_24h=None, low_24h=1.0)
    assert "24h range: n/a\n" in render(data)


def test_without_anything(data: dict[str, Any]) -> None:
    data.update(spot=None, perp=None, intelligence=None, missing=[gap("spot"), gap("perp")])
    text = render(data)
    assert text.count("not available (Binance did not answer in time)") == 3
    assert "• Not enough data to judge" in text
    assert "$" not in text


def test_parts_of_the_perpetual_that_are_missing(data: dict[str, Any]) -> None:
    data["perp"].update(open_interest=None, funding=None, flow_24h=None, flow_15m=None)
    data["missing"] = [
        gap("perp.candles", "bad_payload"),
        gap("perp.open_interest", "rate_limited"),
        gap("perp.funding", "something_new"),
    ]
    text = render(data)
    assert "Delta: not available (Binance sent something unreadable)" in text
    assert "Open interest: not available (Binance asked us to slow down)" in text
    assert "Funding: not available (Binance why)" in text
    assert "⚠️ Missing: perpetual candles, open interest, funding" in text


def test_parts_of_a_market_that_is_missing_are_not_named_again(data: dict[str, Any]) -> None:
    data["perp"], data["spot"] = None, {**data["spot"], "flow_24h": None, "flow_15m": None}
    sections = ("perp.open_interest", "perp.candles", "perp", "spot.candles")
    data["missing"] = [gap(section, "refused") for section in sections]
    assert "⚠️ Missing: perpetuals, spot candles\n" in render(data)


def test_of_candles_without_takers_the_delta_is_missing(data: dict[str, Any]) -> None:
    """The venue has the candles: the activity is made of them."""
    data["spot"].update(flow_24h=None, flow_15m=None)
    data["missing"] = [gap("spot.candles", "unavailable"), gap("perp.candles", "unavailable")]
    assert "⚠️ Missing: spot delta, perpetual delta\n" in render(data)


def test_takers_that_did_not_come_are_why_there_is_no_delta(data: dict[str, Any]) -> None:
    data["perp"].update(flow_24h=None, flow_15m=None)
    data["missing"] = [gap("perp.takers", "rate_limited"), gap("perp.accounts")]
    text = render(data)
    assert "Delta: not available (Binance asked us to slow down)" in text
    assert "⚠️ Missing: taker volumes\n" in text
    data["missing"] = [gap("perp.accounts")]  # what this answer never tells is not missing in it
    assert "Missing" not in render(data)


@pytest.mark.parametrize(
    ("pressure", "rate", "shown", "signal"),
    [
        ("long_squeeze", 0.0006, "🔥 LONG SQUEEZE", "🔥 Longs are crowded: funding +0.0600%"),
        ("long_pressure", 0.0003, "🟠 LONG PRESSURE", "🟠 Longs pay shorts: funding +0.0300%"),
        ("short_pressure", -0.0003, "🔵 SHORT PRESSURE", "🔵 Shorts pay longs: funding -0.0300%"),
        ("short_squeeze", -0.0006, "🧊 SHORT SQUEEZE", "🧊 Shorts are crowded: funding -0.0600%"),
    ],
)
def test_funding_pressure(
    data: dict[str, Any], pressure: str, rate: float, shown: str, signal: str
) -> None:
    data["perp"]["funding"].update(pressure=pressure, rate=rate)
    text = render(data)
    assert f"Pressure: {shown}\nStrategy: " in text
    assert f"• {signal}" in text


def test_at_most_four_signals(data: dict[str, Any]) -> None:
    data["perp"]["funding"].update(pressure="long_squeeze", rate=0.001)
    assert render(data).count("\n• ") == 4


def test_a_quiet_market_has_no_signal(data: dict[str, Any]) -> None:
    data["intelligence"].update(
        control_24h={"side": "BALANCED", "buy_share": 0.5},
        momentum={"state": "STEADY", "ratio": 1.0},
        activity={"ratio": 1.0, "level": "NORMAL"},
    )
    data["perp"]["change_24h_pct"] = 0.1
    assert "• ⚪ No strong signal" in render(data)


numbers = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(max_size=40)


@given(drawn=st.data())
def test_whatever_the_figures_it_renders_and_telegram_parses_it(
    combined: dict[str, Any], drawn: st.DataObject
) -> None:
    """No float and no name from outside breaks the answer or Telegram's limits."""

    def vary(value: Any) -> Any:
        match value:
            case dict():
                return {key: vary(item) for key, item in value.items()}
            case float():
                return drawn.draw(numbers)
            case _:
                return value

    data = vary(combined)
    for key in ("symbol", "base", "quote", "venue"):
        data[key] = drawn.draw(names)
    for key in ("spot", "perp", "intelligence"):
        if drawn.draw(st.booleans()):
            data[key] = None
    data["missing"] = [
        {"section": drawn.draw(names), "venue": drawn.draw(names), "reason": "x", "message": "<&"}
    ]
    for part in split(render(data)):
        assert units(part) <= LIMIT
        assert parse(part, "HTML").text
