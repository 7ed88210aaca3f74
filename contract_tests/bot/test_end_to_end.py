"""The bot, the real market-data and both doubles: four processes, nothing of the test's own."""

from typing import Any


def test_price_from_the_exchange_to_the_chat(
    start_bot: Any, telegram: Any, mode: str, market_data_url: str
) -> None:
    start_bot(mode, MARKET_DATA_URL=market_data_url).until_ready()
    telegram.say("/price btc", chat=1)
    telegram.say("/price nosuchcoin", chat=2)
    [text] = telegram.answers(1)
    header, *_ = text.splitlines()
    assert header == "📊 BTC/USDT · Binance"
    for part in ("MARKET INTELLIGENCE", "SPOT", "PERPETUALS", "MARKET SUMMARY", "L/S: "):
        assert part in text
    assert "Funding: " in text
    assert "not available" not in text
    assert text.splitlines()[-1].startswith("🕒 2026-01-01 09:0")
    [unknown] = telegram.answers(2)
    assert unknown.startswith("⚠️ I do not know the symbol NOSUCHCOIN.")
