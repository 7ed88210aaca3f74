"""Settings: every problem at once, no secret in a message, and the example file agrees."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_bot.telegram_bot import settings
from reference_bot.telegram_bot.access import AllowList
from reference_bot.telegram_bot.log import Redactor

ROOT = Path(__file__).parents[2]
TOKEN = "4242:AAExampleExampleExampleExampleExample"


def check(tmp_path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "reference_bot.telegram_bot", "--check"],
        env={"PATH": "/usr/bin:/bin", **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_says_that_good_settings_are_good(tmp_path: Path) -> None:
    done = check(tmp_path, TELEGRAM_BOT_TOKEN=TOKEN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "The settings are good.\n", "")


def test_every_problem_is_named_at_once_and_no_secret_with_it(tmp_path: Path) -> None:
    secrets = {
        "TELEGRAM_BOT_TOKEN": "hush-this-is-no-token",
        "WEBHOOK_SECRET": "hush it has spaces",
        "REDIS_URL": "http://:hush@example.org",
    }
    done = check(
        tmp_path,
        **secrets,
        BOT_MODE="webhook",
        WEBHOOK_PORT="70000",
        TELEGRAM_ALLOWED_USERS="1,bob",
        MARKET_DATA_URL="localhost:8001",
        LOG_LEVEL="LOUD",
        INBOX_PATH="",
        TELEGRAM_API_BASE_URL="http://localhost:99999",
        ENABLE_AUTO_SIGNALS="perhaps",
        AUTO_SIGNAL_INTERVAL="0",
        AUTO_SIGNAL_PAIRS="BTC, ??, ETH/USDT,, BTC💥",
        MIN_CONFIDENCE_THRESHOLD="101",
        SIGNALS_PATH="data/inbox.sqlite3",
    )
    assert done.returncode == 2
    assert done.stdout == ""
    first, *problems = done.stderr.splitlines()
    assert first == "The settings cannot be used:"
    assert [line.split()[0] for line in problems] == [
        "TELEGRAM_BOT_TOKEN",
        "TELEGRAM_ALLOWED_USERS",
        "TELEGRAM_API_BASE_URL",
        "WEBHOOK_URL",
        "WEBHOOK_SECRET",
        "WEBHOOK_PORT",
        "MARKET_DATA_URL",
        "REDIS_URL",
        "ENABLE_AUTO_SIGNALS",
        "AUTO_SIGNAL_INTERVAL",
        "AUTO_SIGNAL_PAIRS",
        "MIN_CONFIDENCE_THRESHOLD",
        "SIGNALS_PATH",
        "LOG_LEVEL",
    ]
    assert all("it should be" in line for line in problems)
    assert "'bob' is neither a user id nor a group id" in done.stderr
    assert "(no pairs: '??', an empty entry, 'BTC💥')" in done.stderr
    assert "(its port is none: 0 to 65535)" in done.stderr
    assert "hush" not in done.stderr
    assert "Traceback" not in done.stderr


def test_webhook_settings_are_needed_in_webhook_mode_only(tmp_path: Path) -> None:
    done = check(tmp_path, TELEGRAM_BOT_TOKEN=TOKEN, BOT_MODE="webhook")
    assert done.returncode == 2
    assert "WEBHOOK_URL is not set" in done.stderr
    assert "WEBHOOK_SECRET is not set" in done.stderr
    assert check(tmp_path, TELEGRAM_BOT_TOKEN=TOKEN, BOT_MODE="polling").returncode == 0


def test_a_dotenv_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"TELEGRAM_BOT_TOKEN={TOKEN}\nWEBHOOK_PORT=abc\n")
    assert check(tmp_path).returncode == 2
    assert check(tmp_path, WEBHOOK_PORT="8080").returncode == 0


def test_what_env_files_leave_around_a_value_is_taken_away(tmp_path: Path) -> None:
    """``docker run --env-file`` hands quotation marks on (chatgpt-telegram-bot, issue 170)."""
    done = check(
        tmp_path,
        TELEGRAM_BOT_TOKEN=f'"{TOKEN}"',
        TELEGRAM_ALLOWED_USERS="' 12, 34 '",
        BOT_MODE="Polling\r",
        LOG_LEVEL=" info ",
        WEBHOOK_PORT='""',
        ENABLE_AUTO_SIGNALS="'true'",
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_telegram_would_refuse_is_said_by_the_check(tmp_path: Path) -> None:
    done = check(
        tmp_path,
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_ALLOWED_USERS="12, 4242",
        TELEGRAM_API_BASE_URL="https://api.telegram.org/bot",
    )
    assert "TELEGRAM_ALLOWED_USERS is wrong (4242 is the bot itself, not a person)" in done.stderr
    assert "TELEGRAM_API_BASE_URL is wrong (/bot and the token have no place here)" in done.stderr
    webhook = {"BOT_MODE": "webhook", "WEBHOOK_SECRET": "abc", "TELEGRAM_BOT_TOKEN": TOKEN}
    done = check(tmp_path, WEBHOOK_URL="http://bot.example.com", **webhook)
    assert "WEBHOOK_URL is wrong (it has to be https: Telegram calls nothing else)" in done.stderr
    done = check(tmp_path, WEBHOOK_URL="https://bot.example.com:5000/hook", **webhook)
    assert (
        "WEBHOOK_URL is wrong (its port has to be 443, 80, 88 or 8443: Telegram calls no other)"
        in done.stderr
    )
    own = {"TELEGRAM_API_BASE_URL": "http://bot-api:8081", **webhook}
    assert check(tmp_path, WEBHOOK_URL="http://bot:5000/hook", **own).returncode == 0


def test_a_dotenv_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe")
    done = check(tmp_path, TELEGRAM_BOT_TOKEN=TOKEN)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == [".env cannot be read: it should be text in UTF-8"]


def test_a_redis_url_with_a_wrong_port_is_refused_without_its_password(tmp_path: Path) -> None:
    done = check(tmp_path, TELEGRAM_BOT_TOKEN=TOKEN, REDIS_URL="redis://:hush@h:port/0")
    assert done.returncode == 2
    assert "REDIS_URL is wrong (its port is none: 0 to 65535)" in done.stderr
    assert "hush" not in done.stderr


@pytest.mark.parametrize(
    ("given_", "used"),
    [
        ("btc", ("BTC/USDT",)),
        ("BTC-USDT, ethusdt ,sol/usdc", ("BTC/USDT", "ETH/USDT", "SOL/USDC")),
        ("btc,BTC/USDT,btcusdt", ("BTC/USDT",)),
        ("gold,USD_EURUSD,Gold_XAUUSD, usdjpy", ("XAU/USD", "EUR/USD", "USD/JPY")),
    ],
)
def test_pairs_in_any_usual_spelling_are_read_as_in_standard_notation(
    given_: str, used: tuple[str, ...]
) -> None:
    loaded = settings.load(telegram_bot_token=TOKEN, auto_signal_pairs=given_)
    assert loaded.pairs == used


def test_signals_are_kept_beside_the_inbox_unless_told_otherwise() -> None:
    loaded = settings.load(telegram_bot_token=TOKEN, inbox_path="a/b.sqlite3")
    assert loaded.signals_file == Path("a/signals.sqlite3")
    loaded = settings.load(telegram_bot_token=TOKEN, signals_path="c.sqlite3")
    assert loaded.signals_file == Path("c.sqlite3")


def test_secrets_are_in_no_repr() -> None:
    loaded = settings.load(
        telegram_bot_token=TOKEN, webhook_secret="s3cret", redis_url="redis://:pw@h/0"
    )
    assert TOKEN not in repr(loaded)
    assert "s3cret" not in str(loaded.model_dump())
    assert loaded.secrets == (TOKEN, "s3cret", "redis://:pw@h/0")
    assert loaded.bot_id == 4242


@pytest.mark.parametrize(
    ("given_", "used"),
    [
        ("https://bot.example.com", "https://bot.example.com/webhook"),
        ("https://bot.example.com/hook/", "https://bot.example.com/hook"),
    ],
)
def test_a_webhook_url_without_a_path_gets_ours(given_: str, used: str) -> None:
    loaded = settings.load(
        telegram_bot_token=TOKEN, bot_mode="webhook", webhook_url=given_, webhook_secret="x"
    )
    assert loaded.webhook_url == used


def test_allow_lists() -> None:
    assert AllowList.parse("*").admits(None, None)
    nobody = AllowList.parse(" , ")
    assert not nobody.admits(1, 1)
    some = AllowList.parse("12, -100567")
    assert some.admits(12, 99)
    assert some.admits(99, -100567)
    assert not some.admits(13, 13)
    assert not some.admits(None, None)
    public = AllowList.parse("*, 12")
    assert public.admits(13, 13)
    assert public.names(12)
    assert not public.names(13)
    for wrong in ("bob", "1,*", "1.5", "١٢"):
        with pytest.raises(ValueError, match="neither a user id nor a group id"):
            AllowList.parse(wrong)


@given(st.text(), st.text())
def test_no_token_survives_the_log(before: str, after: str) -> None:
    url = f"{before} https://api.telegram.org/bot{TOKEN}/getMe {after}"
    assert TOKEN.partition(":")[2] not in Redactor()(url)
    assert "s3cret!" not in Redactor(["s3cret!"])(f"{before}s3cret!{after}")


@pytest.mark.parametrize("sender", [1087968824, 136817688, 777000])
def test_no_id_is_listed_that_telegram_gives_to_many(sender: int) -> None:
    """Whoever has a group of their own can write with it."""
    with pytest.raises(ValueError, match=f"{sender} is no person: so Telegram names"):
        AllowList.parse(f"12, {sender}")
