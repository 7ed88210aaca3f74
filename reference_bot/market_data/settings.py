"""The service's settings: read from the environment, checked all at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from reference_bot.environment import as_meant

KNOWN_VENUES: Final = ("binance", "bybit", "okx", "gate", "bitget", "hyperliquid")
"""Those that list coins."""
EVERY_VENUE: Final = (*KNOWN_VENUES, "yahoo")
_URL: Final = "an http:// or https:// URL"
_TOKEN: Final = re.compile(r"[!-~]{16,200}")
_KEYS: Final = frozenset({"binance_api_key", "binance_api_secret"})
_SECRETS: Final = _KEYS | {"redis_url", "market_data_token"}
_NO_REDIS: Final = "needs the package redis: install botproof[market-data,redis]"
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(Exception):
    """Settings that the service cannot start with. ``problems`` has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Settings(BaseModel):
    """Every setting, its environment variable's name in capitals.

    A plain model: `load` reads the environment, and pydantic-settings' readers of files, command
    lines and clouds would cost 1.5 MB and a tenth of the time to start.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    market_data_host: str = Field("127.0.0.1", min_length=1, description="an address to listen on")
    market_data_port: int = Field(
        8001, ge=0, le=65535, description="a port from 0 to 65535; 0 takes a free one"
    )
    market_data_token: SecretStr | None = Field(
        None,
        description="16 to 200 printable ASCII characters without spaces, the same for the bot: "
        "who has it may ask about the account; without it only a service on a loopback address "
        "answers that",
    )
    market_data_allowed_hosts: str = Field(
        "",
        description="names, with commas between, by which the service may be asked; addresses and "
        "names without a dot always may; *: any",
    )
    exchanges: tuple[str, ...] = Field(
        EVERY_VENUE,
        description="a comma-separated list, in fallback order, of " + ", ".join(EVERY_VENUE),
    )
    binance_spot_url: str = Field("https://api.binance.com", description=_URL)
    binance_futures_url: str = Field("https://fapi.binance.com", description=_URL)
    binance_coin_futures_url: str = Field("https://dapi.binance.com", description=_URL)
    binance_testnet: bool = Field(
        False, description="true or false: whether account questions go to the testnet"
    )
    binance_testnet_spot_url: str = Field("https://testnet.binance.vision", description=_URL)
    binance_testnet_futures_url: str = Field("https://testnet.binancefuture.com", description=_URL)
    binance_api_key: SecretStr | None = Field(
        None, min_length=1, max_length=200, description="an API key, together with the secret"
    )
    binance_api_secret: SecretStr | None = Field(
        None, min_length=1, max_length=200, description="an API secret, together with the key"
    )
    bybit_url: str = Field("https://api.bybit.com", description=_URL)
    okx_url: str = Field("https://www.okx.com", description=_URL)
    gate_url: str = Field("https://api.gateio.ws", description=_URL)
    bitget_url: str = Field("https://api.bitget.com", description=_URL)
    hyperliquid_url: str = Field("https://api.hyperliquid.xyz", description=_URL)
    yahoo_url: str = Field("https://query1.finance.yahoo.com", description=_URL)
    yahoo_user_agent: str = Field(
        "Mozilla/5.0 (compatible; botproof-market-data)",
        pattern=r"^[!-~]([ -~]{0,298}[!-~])?$",
        description="a User-Agent of up to 300 printable ASCII characters: Yahoo answers HTTP 429 "
        "to those that it does not like",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="redis://host:port/db, so that several replicas share one cache; empty: each "
        "keeps its own in memory",
    )
    deadline_seconds: float = Field(
        1.5,
        ge=0.05,
        le=30,
        allow_inf_nan=False,
        description="seconds from 0.05 to 30: what has not come from a venue by then is missing",
    )
    log_level: str = Field("INFO", description="one of " + ", ".join(_LEVELS))

    @field_validator("exchanges", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = tuple(name.strip().lower() for name in value.split(",") if name.strip())
        if not names or len(set(names)) < len(names) or set(names) - set(EVERY_VENUE):
            raise ValueError("unknown, repeated or no names")
        return names

    @field_validator(
        "binance_spot_url",
        "binance_futures_url",
        "binance_coin_futures_url",
        "binance_testnet_spot_url",
        "binance_testnet_futures_url",
        "bybit_url",
        "okx_url",
        "gate_url",
        "bitget_url",
        "hyperliquid_url",
        "yahoo_url",
    )
    @classmethod
    def _check_url(cls, value: str) -> str:
        scheme, _, rest = value.partition("://")
        if scheme not in ("http", "https") or not rest or " " in rest:
            raise ValueError("not a URL")
        return value.rstrip("/")

    @field_validator("market_data_token")
    @classmethod
    def _check_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("not such a token")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise ValueError("not a Redis URL")
        if parts.scheme != "unix" and not (parts.hostname and parts.port != 0):
            raise ValueError("no host")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _level(cls, value: object) -> object:
        level = str(value).upper()
        if level not in _LEVELS:
            raise ValueError("not a level")
        return level


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment. Raises SettingsError with every problem there is."""
    variables = os.environ if environment is None else environment
    given = {
        name: as_meant(variables[name.upper()])
        for name in Settings.model_fields
        if name.upper() in variables
    }
    if not given.get("market_data_token"):
        given.pop("market_data_token", None)  # as .env.example has it: not set
    problems = []
    if len(_KEYS & given.keys()) == 1:
        [lacking] = _KEYS - given.keys()
        problems.append(f"{lacking.upper()}: is not set; key and secret belong together")
    if given.get("redis_url") and find_spec("redis") is None:
        problems.append(f"REDIS_URL: {_NO_REDIS}")
    try:
        settings = Settings(**given)  # type: ignore[arg-type]  # texts; the model reads them
    except ValidationError as error:
        problems += [_problem(one, given) for one in error.errors()]
        raise SettingsError(problems) from None
    if problems:
        raise SettingsError(problems)
    return settings


def _problem(error: Any, given: Mapping[str, str]) -> str:
    name = str(error["loc"][0])
    expected = Settings.model_fields[name].description
    if name in _SECRETS:
        return f"{name.upper()}: should be {expected}"
    return f"{name.upper()}: is {given.get(name, '')!r}, should be {expected}"
