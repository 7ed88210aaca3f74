"""The bot, the real market-data and both doubles: four processes, nothing of the test's own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

NOW = "1767258432000"  # 2026-01-01 09:07:12 UTC


@pytest.fixture
def market_data_url(child: Callable[..., Any], tmp_path: Path) -> Iterator[str]:
    """market-data between us and an exchange double whose clock stands still."""
    with ExitStack() as stack:

        def start(stream: str, *command: str, **settings: str) -> Any:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                text=True,
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **settings},
                **{stream: subprocess.PIPE},
            )
            started = child(process, getattr(process, stream))
            stack.callback(started.close)
            return started

        double = ("botproof", "double", "exchanges", "--port", "0", "--seed", "7", "--now", NOW)
        venue = start("stdout", *double).event("listening")["url"]
        service = start(
            "stderr",
            "reference_bot.market_data",
            MARKET_DATA_PORT="0",
            EXCHANGES="binance",
            BINANCE_SPOT_URL=f"{venue}/binance/spot",
            BINANCE_FUTURES_URL=f"{venue}/binance/futures",
        )
        yield f"http://127.0.0.1:{service.event('listening')['port']}"


def test_price_from_the_exchange_to_the_chat(
    start_bot: Any, telegram: Any, mode: str, market_data_url: str
) -> None:
    start_bot(mode, MARKET_DATA_URL=market_data_url).until_ready()
    telegram.say("/price btc", chat=1)
    telegram.say("/price nosuchcoin", chat=2)
    telegram.replies(2)
    [text] = telegram.texts(1)
    header, *_ = text.splitlines()
    assert header == "📊 BTC/USDT · Binance"
    for part in ("MARKET INTELLIGENCE", "SPOT", "PERPETUALS", "MARKET SUMMARY", "L/S: "):
        assert part in text
    assert "Funding: " in text
    assert "not available" not in text
    assert text.splitlines()[-1].startswith("🕒 2026-01-01 09:0")
    [unknown] = telegram.texts(2)
    assert unknown.startswith("⚠️ I do not know the symbol NOSUCHCOIN.")
