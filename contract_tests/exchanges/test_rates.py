"""The documented rates, held against who asks, and not against who was kept waiting here."""

import asyncio
import time

import pytest

from botproof.doubles.exchanges.rates import HeldRates, Stalls

CANDLES = "/api/v2/spot/market/candles"
"""Bitget takes 20 of these in a second."""


def refused(rates: HeldRates, calls: int) -> int:
    return sum(rates.too_many("bitget", CANDLES, {}) for _ in range(calls))


def test_any_window_of_a_rates_length_counts() -> None:
    now = 10.0
    rates = HeldRates(lambda: now)
    assert refused(rates, 10) == 0
    now = 10.9
    assert refused(rates, 12) == 2
    now = 11.0
    assert refused(rates, 12) == 2, "those of 10.0 are past, those of 10.9 are not"


def test_okx_counts_statistics_by_instrument_and_candles_by_address() -> None:
    rates = HeldRates(lambda: 10.0)
    takers, candles = "/api/v5/rubik/stat/taker-volume-contract", "/api/v5/market/candles"
    for symbol in ("BTC-USDT-SWAP", "ETH-USDT-SWAP"):
        told = [rates.too_many("okx", takers, {"instId": symbol}) for _ in range(6)]
        assert told == [False] * 5 + [True]
    asked = [rates.too_many("okx", candles, {"instId": f"{n}-USDT"}) for n in range(41)]
    assert asked.count(True) == 1


def test_calls_that_were_kept_waiting_here_count_from_when_they_can_have_come() -> None:
    now, waited = 10.0, 0.0
    rates = HeldRates(lambda: now, lambda: waited)
    now, waited = 10.7, 0.7  # sent at 10.0, read after a stall
    assert refused(rates, 20) == 0
    now, waited = 11.1, 0.0
    assert refused(rates, 20) == 0
    now = 11.2
    assert refused(rates, 1) == 1


@pytest.mark.anyio
async def test_a_loop_that_stood_still_says_for_how_long() -> None:
    stalls = Stalls()
    time.sleep(0.3)  # noqa: ASYNC251 - the loop is held up on purpose
    assert stalls.lately() > 0.2, "before the loop has gone on"
    await asyncio.sleep(0)
    assert stalls.lately() > 0.2, "and just after it"
    stalls.stop()
