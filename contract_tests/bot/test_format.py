"""Figures and text as people read them: exact strings, and what must hold for every value."""

import html
import math
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_bot.market_data.figures import level_of
from reference_bot.telegram_bot.render import format as f
from reference_bot.telegram_bot.render.html import LIMIT, escape, split, units

anything = st.floats() | st.none()
finite = st.floats(allow_nan=False, allow_infinity=False)
figure = re.compile(r"[+-]?\$?(\d{1,3}(,\d{3})*|\d+)(\.\d+)?(e[+-]\d+)?[KMBT%]?( BTC)?|n/a")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (111_230.5, "$111,230.50"),
        (1.0, "$1.00"),
        (0.9999, "$0.9999"),
        (0.99996, "$1.00"),
        (0.5, "$0.5000"),
        (0.00001234567, "$0.00001235"),
        (0.0000000123, "$0.00000001230"),
        (0.0, "$0.00"),
        (-0.0, "$0.00"),
        (-4.17, "-$4.17"),
        (1.005, "$1.01"),
        (1e18, "$1.000e+18"),
        (5e-324, "$5.000e-324"),
        (None, "n/a"),
        (math.nan, "n/a"),
        (math.inf, "n/a"),
        (-math.inf, "n/a"),
    ],
)
def test_price(value: float | None, shown: str) -> None:
    assert f.price(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (402_630_000.0, "+$402.63M"),
        (423_600_000.0, "+$423.6M"),
        (5_000_000.0, "+$5M"),
        (1_370_000_000.0, "+$1.37B"),
        (2.5e12, "+$2.5T"),
        (999_999.0, "+$1M"),
        (999.994, "+$999.99"),
        (999.995, "+$1K"),
        (-1_390_381.25, "-$1.39M"),
        (-4.17, "-$4.17"),
        (0.25, "+$0.25"),
        (0.0000012, "+$0.000001200"),
        (0.0, "$0.00"),
        (None, "n/a"),
    ],
)
def test_signed_money(value: float | None, shown: str) -> None:
    assert f.signed_money(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3_620.0, "+3,620 BTC"),
        (-12.5, "-12.5 BTC"),
        (0.41234, "+0.4123 BTC"),
        (12_345_678_901.0, "+12.35B BTC"),
        (999_999.6, "+1M BTC"),
        (0.0, "0 BTC"),
        (math.nan, "n/a"),
    ],
)
def test_signed_amount(value: float, shown: str) -> None:
    assert f.signed_amount(value, "BTC") == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.556, "L/S: 1.56x"),
        (0.0, "L/S: 0.00x"),
        (99.9, "L/S: 99.9x"),
        (99.899, "L/S: 99.9x"),
        (1e9, "L/S: 99.9x"),
        (None, "L/S: n/a"),
        (math.inf, "L/S: n/a"),
        (-1.0, "L/S: n/a"),
    ],
)
def test_long_short(value: float | None, shown: str) -> None:
    assert f.long_short(value) == shown


@given(st.floats(0, 10).filter(lambda ratio: abs(ratio * 2 - round(ratio * 2)) > 0.011))
def test_the_ratio_shown_is_of_the_level_beside_it(ratio: float) -> None:
    level = level_of(ratio)
    shown = re.fullmatch(r".*\((\S+)x\)", f.activity(level, ratio))
    assert shown
    assert level_of(float(shown[1])) == level


def test_the_pieces_of_the_design() -> None:
    assert f.activity("HIGH", 2.06) == "HIGH (2.1x)"
    assert f.control("BUYERS", 0.64) == "🟢 BUYERS (64% pressure)"
    assert f.control("SELLERS", 0.29) == "🔴 SELLERS (71% pressure)"
    assert f.control("BALANCED", 0.5) == "⚪ BALANCED"
    assert f.delta(3_620, "BTC", 402.63e6) == "🟢 +3,620 BTC (+$402.63M)"
    assert f.delta(-3_620, "BTC", -402.63e6) == "🔴 -3,620 BTC (-$402.63M)"
    assert f.delta(0, "BTC", 0) == "⚪ 0 BTC ($0.00)"
    assert f.delta(3_620, "BTC", None) == "🟢 +3,620 BTC"


def test_shares_of_accounts() -> None:
    assert f.shares(0.5625, 1.2857) == "56.3% long, 43.7% short (1.29x)"
    assert f.shares(0.3, 0.4286) == "30.0% long, 70.0% short (0.43x)"
    for share, ratio in ((None, 1.0), (0.5, None), (float("nan"), 1.0), (1.2, 1.0)):
        assert f.shares(share, ratio) == "n/a"
    assert f.change(3_595, "BTC", 423.6e6, 4.62) == "🟢 +3,595 BTC (+$423.6M) | +4.62%"
    assert f.funding(0.000085, 0.09308) == "+0.0085% (+9.31% annually)"
    assert f.funding(-0.0003, -0.3285) == "-0.0300% (-32.85% annually)"
    assert f.funding(None, math.nan) == "n/a (n/a annually)"
    assert f.percent(-0.004) == "0.00%"
    assert f.percent(4.6249) == "+4.62%"
    assert f.duration(11_520_000) == "3h 12m"
    assert f.duration(59_999) == "under 1m"
    assert f.duration(-5) == "under 1m"
    assert f.moment(1_759_320_005_123) == "2025-10-01 12:00:05 UTC · 20:00:05 SGT"
    assert f.moment(1_759_334_400_000) == "2025-10-01 16:00:00 UTC · 2025-10-02 00:00:00 SGT"
    assert f.moment(10**18) == "n/a"
    assert f.seconds(42.9) == "42 s"
    assert f.seconds(185.0) == "3 min"
    assert f.seconds(-1.0) == "0 s"
    assert f.seconds(math.inf) == "n/a"


@given(anything)
def test_every_float_has_a_defined_shape(value: float | None) -> None:
    shown = [
        f.price(value),
        f.signed_price(value),
        f.money(value),
        f.signed_money(value),
        f.amount(value, "BTC"),
        f.signed_amount(value, "BTC"),
        f.percent(value),
    ]
    for text in shown:
        assert figure.fullmatch(text), text
        assert (text == "n/a") == (value is None or not math.isfinite(value))


@given(finite)
def test_signs_agree_and_mirror(value: float) -> None:
    for show in (f.signed_price, f.signed_money, f.percent, lambda v: f.signed_amount(v, "BTC")):
        there, back = show(value), show(-value)
        assert there.lstrip("+-") == back.lstrip("+-")
        zero = not re.search("[1-9]", there.partition("e")[0])
        assert (there[0] in "+-") != zero
        if not zero:
            assert there[0] == ("+" if value > 0 else "-")


@given(st.floats(min_value=1e-12, max_value=0.99994))
def test_prices_below_a_dollar_keep_four_significant_digits(value: float) -> None:
    digits = f.price(value).lstrip("$0.").replace(".", "")
    assert len(digits) == 4
    assert float(f.price(value)[1:]) == pytest.approx(value, rel=5.1e-4)


@given(st.floats(min_value=1.0, max_value=1e15))
def test_nothing_is_off_by_more_than_its_last_digit(value: float) -> None:
    shown = Decimal(f.price(value)[1:].replace(",", ""))
    assert abs(shown - Decimal(repr(value))) <= Decimal("0.005")
    scale = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
    text = f.money(value)[1:].replace(",", "")
    back = float(text[:-1]) * scale[text[-1]] if text[-1] in scale else float(text)
    assert back == pytest.approx(value, rel=0.00501)


@given(st.text())
def test_escaped_text_is_text_on_one_line(text: str) -> None:
    shown = escape(text)
    assert "<" not in shown
    assert ">" not in shown
    assert "\n" not in shown
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f]", shown)
    plain = "".join(c for c in text if c.isascii() and c.isprintable())
    assert plain in html.unescape("".join(c for c in shown if c.isascii())) or plain != text


@given(st.lists(st.text(alphabet="a<&>é💥 \n", max_size=300), max_size=40), st.integers(16, 400))
def test_split_keeps_the_limit_and_the_text(lines: list[str], limit: int) -> None:
    message = escape_lines(lines)
    parts = split(message, limit)
    assert all(units(part) <= limit and part.strip() for part in parts)
    squeezed = re.sub(r"\s", "", html.unescape("".join(parts)))
    assert squeezed == re.sub(r"\s", "", html.unescape(message))


def escape_lines(lines: list[str]) -> str:
    return "\n".join(escape(line) for line in lines)


def test_split_cuts_at_line_ends() -> None:
    lines = [f"line {number}" for number in range(1000)]
    parts = split("\n".join(lines))
    assert len(parts) == 3
    assert all(units(part) <= LIMIT for part in parts)
    assert "\n".join(parts).split("\n") == lines


def test_a_line_that_is_too_long_loses_its_markup_but_not_its_text() -> None:
    parts = split("<b>" + "&lt;x" * 2000 + "</b>")
    assert all(units(part) <= LIMIT for part in parts)
    assert html.unescape("".join(parts)) == "<x" * 2000
    assert "<b>" not in "".join(parts)
    assert not any(re.search(r"&[a-z]*$", part) for part in parts)


def test_an_empty_message_has_no_parts() -> None:
    nothing: list[Any] = split("\n \n")
    assert nothing == []
