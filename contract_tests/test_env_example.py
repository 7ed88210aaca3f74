""".env.example says what the settings of the bot and of market-data say."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from reference_bot.market_data.settings import Settings as MarketDataSettings
from reference_bot.market_data.settings import load
from reference_bot.telegram_bot.settings import Settings as BotSettings

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def generator() -> ModuleType:
    path = ROOT / "scripts" / "generate_env_example.py"
    spec = importlib.util.spec_from_file_location("generate_env_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_generated_from_the_settings_as_they_are(generator: ModuleType) -> None:
    for path, text in generator.files().items():
        written = path.read_text("utf-8")
        assert written == text, f"{path.name}: run: python scripts/generate_env_example.py"


def whole(generator: ModuleType) -> str:
    text: str = generator.files()[ROOT / ".env.example"]
    return text


def test_every_setting_stands_in_it_once(generator: ModuleType) -> None:
    assigned = re.findall(r"^(?:# )?([A-Z_]+)=", whole(generator), re.MULTILINE)
    wanted = {
        name.upper() for model in (BotSettings, MarketDataSettings) for name in model.model_fields
    }
    assert sorted(assigned) == sorted(wanted)


def test_market_datas_defaults_read_as_they_are_written(generator: ModuleType) -> None:
    _, _, ours = whole(generator).partition("---- market-data ----")
    written = dict(re.findall(r"^# ([A-Z_]+)=(.+)$", ours, re.MULTILINE))
    assert load(written) == load({})
