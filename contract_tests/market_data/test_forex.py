"""Currency pairs: how people spell them, what is near, and when they trade."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from botproof.doubles.exchanges.hours import is_open, open_until
from reference_bot.market_data.forex import (
    LISTED,
    closed_since,
    forex_pair,
    hours_of,
    near_pairs,
    rests,
)
from reference_bot.market_data.symbols import Pair, SpellingError, parse_symbol

EURUSD, GOLD = Pair("EUR", "USD"), Pair("XAU", "USD")
pairs = st.sampled_from(LISTED)
cases = st.sampled_from([str.upper, str.lower, str.title])


@pytest.mark.parametrize(
    "text", ["EUR/USD", "EURUSD", "eur-usd", "eur_usd", " EUR USD ", "$eurusd", "USD_EURUSD"]
)
def test_usual_spellings_mean_the_same(text):
    assert forex_pair(text) == EURUSD


@pytest.mark.parametrize("text", ["XAU/USD", "xauusd", "Gold_XAUUSD", "gold", "XAU", "GOLD"])
def test_gold_is_told_by_any_of_its_names(text):
    assert forex_pair(text) == GOLD


@pytest.mark.parametrize(
    "text",
    [
        "BTC", "BTC/USD", "ETH-EUR", "EUR/USDT", "EURUSDT", "USDC/USD", "XAUT", "PAXG", "GOLD/USDT",
        "EUR", "USD", "EURUSDX", "BTC_EURUSD", "EUR/USD/JPY", "", "/", "💥",
    ],
)  # fmt: skip
def test_coins_are_no_currency_pairs(text):
    assert forex_pair(text) is None


def test_six_letters_of_two_codes_are_a_pair_whatever_coins_they_could_be():
    assert forex_pair("USDCAD") == Pair("USD", "CAD")  # not the coin USDC in AD
    assert forex_pair("USDTRY") == Pair("USD", "TRY")  # not the coin USDT in RY


@given(pairs, st.sampled_from(["", "/", "-", "_", " ", ":", "."]), cases)
def test_every_listed_pair_is_read_in_every_spelling(pair, between, case):
    text = case(f"{pair.base}{between}{pair.quote}")
    assert forex_pair(text) == pair
    assert forex_pair(case(f"USD_{pair.base}{pair.quote}")) == pair


@given(st.text(max_size=60))
def test_any_text_is_a_pair_or_not_and_what_is_none_goes_its_old_way(text):
    found = forex_pair(text)
    assert found is None or (len(found.base), len(found.quote)) == (3, 3)
    assert all("/" in name for name in near_pairs(text))
    try:
        parse_symbol(text)
    except SpellingError:
        assert found is None or text != str(found)


@given(pairs, st.integers(0, 6), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_a_letter_too_many_is_near(pair, at, letter):
    joined = f"{pair.base}{pair.quote}"
    mistyped = joined[:at] + letter + joined[at:]
    if forex_pair(mistyped) is None:
        assert str(pair) in near_pairs(mistyped)


def test_a_pair_that_is_turned_round_is_near_to_itself():
    assert near_pairs("USD/EUR") == ("EUR/USD",)
    assert near_pairs("jpy_gbp") == ("GBP/JPY",)
    assert near_pairs("golld") == ("XAU/USD",)
    assert near_pairs("BTC") == near_pairs("SOLL") == near_pairs("BTTC") == ()


# -- hours -------------------------------------------------------------------------------------


@given(st.integers(1_500_000_000, 2_000_000_000), pairs)
@example(1_888_466_400, EURUSD)  # a Sunday on which summer time ended
@example(1_773_000_000, GOLD)  # one on which it began
def test_the_week_is_that_of_the_double_which_nobody_here_shares(seconds, pair):
    time, hours = seconds * 1000, hours_of(pair)
    since = closed_since(hours, time)
    assert (since is None) == is_open(hours, time)
    if since is not None:
        assert since == open_until(hours, time)


@given(st.integers(1_500_000_000, 2_000_000_000))
def test_the_week_follows_new_yorks_clock(seconds):
    try:
        local = datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo("America/New_York"))
    except ZoneInfoNotFoundError:
        pytest.skip("not applicable: no time zone database here")
    minutes = local.weekday() * 1440 + local.hour * 60 + local.minute
    trades = minutes < 4 * 1440 + 17 * 60 + 30 or minutes >= 6 * 1440 + 17 * 60
    assert (closed_since("forex", seconds * 1000) is None) == trades


def _utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


def test_prices_rest_on_two_holidays():
    assert rests(_utc(2025, 12, 25, 12))
    assert rests(_utc(2026, 1, 1, 9))
    assert rests(_utc(2025, 12, 31, 22, 30))
    assert not rests(_utc(2025, 12, 31, 21))
    assert not rests(_utc(2026, 1, 1, 23, 30))
    assert not rests(_utc(2026, 7, 3, 12))
