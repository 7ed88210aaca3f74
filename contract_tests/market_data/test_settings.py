"""Settings: read from the environment, every problem told at once."""

import pytest

from reference_bot.market_data.settings import SettingsError, load


def test_defaults_are_the_public_venues():
    settings = load({})
    assert settings.market_data_port == 8001
    assert settings.exchanges[0] == "binance"
    assert settings.binance_spot_url == "https://api.binance.com"
    assert settings.deadline_seconds == 1.5


def test_values_are_read_and_tidied():
    settings = load(
        {
            "EXCHANGES": " Binance ",
            "BINANCE_SPOT_URL": "http://127.0.0.1:9/binance/spot/",
            "LOG_LEVEL": "debug",
            "MARKET_DATA_PORT": "0",
        }
    )
    assert settings.exchanges == ("binance",)
    assert settings.binance_spot_url == "http://127.0.0.1:9/binance/spot"
    assert settings.log_level == "DEBUG"
    assert settings.market_data_port == 0


def test_every_problem_is_told_at_once():
    with pytest.raises(SettingsError) as caught:
        load(
            {
                "MARKET_DATA_PORT": "70000",
                "EXCHANGES": "mtgox",
                "BINANCE_SPOT_URL": "ftp://x",
                "DEADLINE_SECONDS": "soon",
                "LOG_LEVEL": "LOUD",
            }
        )
    text = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 5
    for name, expected in (
        ("MARKET_DATA_PORT", "a port from 0 to 65535"),
        ("EXCHANGES", "binance"),
        ("BINANCE_SPOT_URL", "http:// or https://"),
        ("DEADLINE_SECONDS", "0.05 to 30"),
        ("LOG_LEVEL", "INFO"),
    ):
        assert f"{name}: is " in text
        assert expected in text


@pytest.mark.parametrize("text", ["", ",", "binance,binance"])
def test_a_list_of_venues_has_names_once(text):
    with pytest.raises(SettingsError, match="EXCHANGES"):
        load({"EXCHANGES": text})


@pytest.mark.parametrize("agent", ["Zürich", "a\r\nX-Forged: 1", "a" * 301])
def test_a_user_agent_is_what_a_header_may_hold(agent):
    with pytest.raises(SettingsError, match=r"YAHOO_USER_AGENT: .*printable ASCII"):
        load({"YAHOO_USER_AGENT": agent})


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://u:p@h/1", "unix:///run/redis.sock"])
def test_redis_is_optional_and_a_secret(url):
    assert load({}).redis_url is None
    assert load({"REDIS_URL": ""}).redis_url is None
    settings = load({"REDIS_URL": url})
    assert settings.redis_url.get_secret_value() == url
    assert url not in repr(settings)


@pytest.mark.parametrize("url", ["http://u:pass@h", "redis://", "redis://u:pass@h:port/0", "pass"])
def test_a_wrong_redis_url_is_told_without_its_password(url):
    with pytest.raises(SettingsError) as caught:
        load({"REDIS_URL": url})
    [problem] = caught.value.problems
    assert problem.startswith("REDIS_URL: should be redis://host:port/db, ")
    assert "pass" not in problem


def test_redis_url_without_its_library_is_told_at_start(monkeypatch):
    monkeypatch.setattr("reference_bot.market_data.settings.find_spec", lambda _: None)
    assert load({}).redis_url is None
    with pytest.raises(SettingsError, match=r"REDIS_URL: needs the package redis: install"):
        load({"REDIS_URL": "redis://h:6379/0"})
