"""Symbols in any usual spelling."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_bot.market_data.symbols import Pair, SpellingError, near_matches, parse_symbol

BTC = Pair("BTC", "USDT")


@pytest.mark.parametrize(
    "text",
    [
        "BTC",
        "btc",
        " btc ",
        "$BTC",
        "BTC-USDT",
        "btc/usdt",
        "BTCUSDT",
        "BTC_USDT",
        "BTC USDT",
        "BTC/USDT:USDT",
        "BTC-USDT-SWAP",
        "BTCUSDT.P",
        "BINANCE:BTCUSDT",
        "bybit:btcusdt.p",
        "BTC-USDT-PERP",
        "bitcoin",
        "btcusdt🚀",
        "bitcoin/usdt",
        "xbtusdt",
        "BTC-PERPETUAL",
        "btc\\usdt",
        "ВТС",
        "b̶t̶c̶",
        "比特币",
        "биток",
        "بيتكوين",
        "ביטקוין",
    ],
)
def test_usual_spellings_mean_the_same(text):
    assert parse_symbol(text)[0] == BTC


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("WBTC", (Pair("WBTC", "USDT"), Pair("W", "BTC"))),
        ("ETHBTC", (Pair("ETHBTC", "USDT"), Pair("ETH", "BTC"))),
        ("USDCUSDT", (Pair("USDC", "USDT"), Pair("USDCUSDT", "USDT"))),
        ("1000SHIBUSDT", (Pair("SHIB", "USDT"), Pair("SHIBUSDT", "USDT"))),
        ("1000SHIB", (Pair("SHIB", "USDT"),)),
        ("10000000AIDOGE", (Pair("AIDOGE", "USDT"),)),
        ("100000MOG", (Pair("MOG", "USDT"),)),
        ("1INCH", (Pair("1INCH", "USDT"),)),
        ("2Z", (Pair("2Z", "USDT"),)),
        ("BTC/USD", (Pair("BTC", "USD"),)),
        ("иес", (Pair("ИЕС", "USDT"), Pair("BTC", "USDT"))),
        ("ㅠㅅㅊ", (Pair("ᅲᄉᄎ", "USDT"), Pair("BTC", "USDT"))),
        ("앻ㄷ", (Pair("앻ᄃ", "USDT"), Pair("DOGE", "USDT"))),
        ("тон", (Pair("TON", "USDT"),)),
        ("уер", (Pair("ETH", "USDT"),)),
        ("YEP", (Pair("YEP", "USDT"),)),
        ("BTC/USDC", (Pair("BTC", "USDC"),)),
        ("BTC/USD:BTC", (Pair("BTC", "USD"),)),
        ("XBTUSD", (Pair("XB", "TUSD"), Pair("BTC", "USD"), Pair("XBTUSD", "USDT"))),
        ("kPEPE", (Pair("PEPE", "USDT"),)),
    ],
)
def test_what_is_ambiguous_has_candidates_in_order(text, pairs):
    assert parse_symbol(text) == pairs


@pytest.mark.parametrize("text", ["", " ", "/", "b!tc", "X" * 41, "a\x00"])
def test_what_is_no_symbol_is_refused_with_an_example(text):
    with pytest.raises(SpellingError, match=r"BTC/USDT"):
        parse_symbol(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        pairs = parse_symbol(text)
    except SpellingError:
        return
    assert pairs
    assert all(pair.base and pair.quote for pair in pairs)


def test_near_matches_prefer_the_asked_quote():
    known = [Pair(base, quote) for base in ("BTC", "BCH", "ETH") for quote in ("USDC", "USDT")]
    assert near_matches(Pair("BTX", "USDT"), known)[0] == "BTC/USDT"
    assert "ETH/USDT" not in near_matches(Pair("BTX", "USDT"), known)


def test_an_unknown_symbol_is_compared_with_few_however_many_are_listed(monkeypatch):
    compared: list[str] = []

    class Counted(difflib.SequenceMatcher[str]):
        def set_seq1(self, a):
            compared.append(a)
            super().set_seq1(a)

    monkeypatch.setattr(difflib, "SequenceMatcher", Counted)
    letters = "ABCDEFGHIJKLMNO"
    listed = [Pair(a + b + c, "USDT") for a in letters for b in letters for c in letters[:7]]
    assert len(listed) > 1500
    listed += [Pair("DOGE", "USDT"), Pair("DOGS", "USDT")]
    assert {"DOGS/USDT", "DOGE/USDT"} <= {*near_matches(Pair("DOGX", "USDT"), listed)}
    assert 0 < len([name for name in compared if name]) <= 60


@pytest.mark.parametrize(
    "typed",
    ["btc,", "btc.", "#btc", "[btc]", "$btc", "ｂｔｃ", "\u200bbtc\ufeff", "\u200ebtc", "btc\ufe0f",
     "btc\u00a0", "“BTC”", "(BTC/USDT)", "＄ｂｔｃ／ｕｓｄｔ"],
)  # fmt: skip
def test_what_people_type_around_a_symbol_is_not_a_part_of_it(typed):
    assert parse_symbol(typed)[0] == Pair("BTC", "USDT")


def test_a_coin_may_have_a_name_in_any_script():
    assert parse_symbol("币安人生")[0] == Pair("币安人生", "USDT")
    assert parse_symbol("币安人生usdt")[0] == Pair("币安人生", "USDT")


def test_a_name_that_is_misspelt_is_near_the_coin_that_is_called_so():
    known = [Pair("TON", "USDT"), Pair("BTC", "USDT"), Pair("ETH", "USDT")]
    assert near_matches(Pair("BITCION", "USDT"), known)[0] == "BTC/USDT"
    assert near_matches(Pair("ETHERIUM", "USDT"), known)[0] == "ETH/USDT"
    assert near_matches(Pair("BITCION", "USDT"), known[:1]) == ("TON/USDT",)


def test_a_coin_that_was_renamed_is_near_by_its_new_name():
    known = [Pair("POL", "USDT"), Pair("LTC", "USDT"), Pair("ETC", "USDT")]
    assert near_matches(Pair("MATIC", "USDT"), known)[0] == "POL/USDT"
    assert "POL/USDT" not in near_matches(Pair("MATIC", "USDT"), known[1:])
