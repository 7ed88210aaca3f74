"""What a bot's token looks like: one rule in the doubles, in the bot's settings and in its log."""

from __future__ import annotations

import pytest

from botproof import bot_token
from botproof.doubles.http.redaction import redact_text
from reference_bot.telegram_bot import settings
from reference_bot.telegram_bot.log import Redactor

_TOKENS = ["42:" + "A" * 24, "123456:" + "a-_9" * 8, f"{2**54 - 1}:" + "Z" * 62]


@pytest.mark.parametrize("token", _TOKENS)
def test_what_the_double_takes_the_bot_takes_and_no_log_shows(token: str) -> None:
    assert bot_token.is_token(token)
    assert settings.load(telegram_bot_token=token).telegram_bot_token.get_secret_value() == token
    for hidden in (Redactor(), redact_text):
        assert token.partition(":")[2] not in hidden(f"GET /bot{token}/getMe failed: {token}")


@pytest.mark.parametrize("text", ["42:" + "A" * 23, "042:" + "A" * 30, "42:" + "A" * 71, "42"])
def test_what_the_double_refuses_the_bot_refuses(text: str) -> None:
    assert not bot_token.is_token(text)
    with pytest.raises(settings.SettingsError, match="TELEGRAM_BOT_TOKEN is wrong"):
        settings.load(telegram_bot_token=text)


def test_the_digest_of_a_file_is_no_token() -> None:
    assert redact_text(f"sha256:{'ab' * 32}") == f"sha256:{'ab' * 32}"
