"""Replies that look like errors are told before anybody approves them."""

import pytest

from botproof.checks.doubt import looks_like_an_error


@pytest.mark.parametrize(
    "line",
    [
        "KeyError: 'BTC'",
        "Price: None",
        "RSI: nan",
        "Sorry, try again",
        "not available",
        "Price: NaN",
    ],
)
def test_an_error_an_apology_or_a_figure_that_is_missing_is_doubtful(line: str) -> None:
    assert looks_like_an_error(line)


@pytest.mark.parametrize("line", ["Alerts: none", "NONE of them", "Price: $91,210.46", "none yet"])
def test_words_and_figures_are_not(line: str) -> None:
    assert not looks_like_an_error(line)


def test_a_word_does_not_hide_what_follows_it() -> None:
    assert looks_like_an_error("alerts: none, price: None")
