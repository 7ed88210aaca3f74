"""Write .env.example from the settings of the bot and of market-data.

Run it after a change of either: ``python scripts/generate_env_example.py``.
contract_tests/test_env_example.py fails while the file and the settings differ.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from reference_bot.market_data.settings import Settings as MarketDataSettings
from reference_bot.telegram_bot.settings import Settings as BotSettings

FILE: Final = Path(__file__).resolve().parent.parent / ".env.example"
_HEAD: Final = """\
# Settings of the bot, then of market-data. Generated from reference_bot/*/settings.py by
#   python scripts/generate_env_example.py
# Copy to .env and fill in. The bot reads the file itself; check it with
#   python -m reference_bot.telegram_bot --check
# market-data reads its environment: start it with
#   set -a; . ./.env; set +a; python -m reference_bot.market_data
# or name the file in EnvironmentFile= (systemd), env_file: (Compose) or --env-file (Docker).

# ---- the bot ----
"""
_MARKET_DATA: Final = """
# ---- market-data ----
"""


def text() -> str:
    """The file as it should be: every setting, what it should be, and its default."""
    above = frozenset(BotSettings.model_fields)
    parts = (_HEAD, *_settings(BotSettings), _MARKET_DATA, *_settings(MarketDataSettings, above))
    return "".join(parts)


def _settings(model: type[BaseModel], above: frozenset[str] = frozenset()) -> Iterator[str]:
    """What both read stands once: a second line of the same name would win unnoticed."""
    for name, field in model.model_fields.items():
        if name in above:
            yield f"\n# {name.upper()}, above, is for market-data too: {field.description}\n"
        else:
            yield f"\n# {field.description}\n{_assignment(name.upper(), field)}\n"


def _assignment(name: str, field: FieldInfo) -> str:
    return f"{name}=" if field.is_required() else f"# {name}={_spelt(field.default)}"


def _spelt(default: object) -> str:
    """A default as one would write it in the file."""
    if default is None:
        return ""
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(default).lower() if isinstance(default, bool) else str(default)


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
