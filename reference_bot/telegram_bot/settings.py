"""The bot's settings: from the environment (and ``.env``), checked once, at start.

Every problem is reported at once by `load`, each with the variable's name and what it should be.
Secrets are ``SecretStr`` and never appear in a message. ``.env.example`` is generated from this
class, and market-data's, by ``scripts/generate_env_example.py``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic import field_validator as validates
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from reference_bot.environment import as_meant
from reference_bot.market_data.forex import forex_pair
from reference_bot.market_data.symbols import SpellingError, parse_symbol
from reference_bot.telegram_bot.access import AllowList
from reference_bot.telegram_bot.bot_token import TOKEN

T = TypeVar("T")

_SHARED_TOKEN: Final = re.compile(r"[!-~]{16,200}")
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_WITH_BOT: Final = re.compile(r"/bot(?:\d+:.*)?$")
_TELEGRAMS_OWN: Final = "https://api.telegram.org"
_WEBHOOK_PORTS: Final = frozenset({None, 443, 80, 88, 8443})
"""Where Telegram's own server calls a webhook (`setWebhook` in the Bot API's documentation); a Bot
API server of one's own takes any."""


class SettingsError(Exception):
    """The settings cannot be used; the message lists every problem, one a line."""


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an http(s) URL")
    if parts.query or parts.fragment:
        raise ValueError("a query or fragment has no place here")
    _check_port(value)
    return value.rstrip("/")


def _check_port(url: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError("its port is none: 0 to 65535") from None


def _pairs(value: str) -> str:
    """Return the pairs in standard notation. Raises ValueError naming every entry that is none."""
    pairs: dict[str, None] = {}
    wrong: list[str] = []
    for entry in (entry.strip() for entry in value.split(",")):
        try:
            # Other letters are letters to market-data, but no exchange has a symbol of them.
            typed = entry if entry.isascii() else ""
            pairs[str(forex_pair(typed) or parse_symbol(typed)[0])] = None
        except SpellingError:
            wrong.append(repr(entry[:40]) if entry else "an empty entry")
    if wrong:
        raise ValueError(f"no {'pairs' if len(wrong) > 1 else 'pair'}: {', '.join(wrong)}")
    return ",".join(pairs)


def _allow_list(value: str) -> str:
    AllowList.parse(value)
    return value


BaseUrl = Annotated[str, AfterValidator(_base_url)]


class Settings(BaseSettings):
    """One field an environment variable; ``description`` says what a right value looks like."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    telegram_bot_token: SecretStr = Field(
        description="the token that @BotFather gave, like "
        "123456789:AAExampleExampleExampleExampleExamp",
    )
    telegram_allowed_users: Annotated[str, AfterValidator(_allow_list)] = Field(
        default="",
        description="user ids and group ids (negative) with commas between; empty: nobody; *: "
        "everybody; *,12: everybody, and 12 is the operator",
    )
    telegram_api_base_url: BaseUrl = Field(
        default="https://api.telegram.org",
        description="where the Bot API is: an http(s) URL, the part before /bot<token>",
    )
    telegram_send_slots: int = Field(
        default=1,
        ge=1,
        le=32,
        description="new messages under way to Telegram at once, 1 to 32; a kill repeats at most "
        "so many",
    )
    bot_mode: Literal["polling", "webhook"] = Field(
        default="polling",
        description="polling or webhook",
    )
    webhook_url: str = Field(
        default="",
        description="where Telegram reaches the bot, as https://bot.example.com/webhook; needed"
        " in webhook mode",
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="what Telegram proves itself with: 1 to 256 of A-Z a-z 0-9 _ -; needed "
        "in webhook mode",
    )
    webhook_host: str = Field(
        default="127.0.0.1",
        description="where to listen, for the webhook, /health, /ready and /metrics; 0.0.0.0 "
        "in a container",
    )
    webhook_port: int = Field(
        default=5000,
        ge=0,
        le=65535,
        description="the port to listen on, in both modes: 0 to 65535, 0 takes any free one",
    )
    admin_host: str = Field(
        default="127.0.0.1",
        description="where to listen for /health, /ready and /metrics, used with ADMIN_PORT",
    )
    admin_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="a port of their own for /health, /ready and /metrics, so that nobody outside "
        "reaches them: 0 to 65535; empty: they are at WEBHOOK_PORT",
    )
    allowed_hosts: str = Field(
        default="",
        description="names, with commas between, by which /health, /ready and /metrics may be "
        "asked for; addresses, names without a dot and the host of WEBHOOK_URL always may; *: any",
    )
    webhook_max_connections: int = Field(
        default=100,
        ge=1,
        le=100,
        description="how many updates Telegram may deliver at once: 1 to 100",
    )
    market_data_url: BaseUrl = Field(
        default="http://localhost:8001",
        description="where market-data is: an http(s) URL",
    )
    market_data_token: SecretStr = Field(
        default=SecretStr(""),
        description="16 to 200 printable ASCII characters without spaces, the same for the bot and "
        "market-data: who has it may ask about the account; needed unless market-data listens on "
        "a loopback address",
    )
    market_data_timeout_seconds: float = Field(
        default=1.7,
        ge=0.05,
        le=60,
        allow_inf_nan=False,
        description="seconds from 0.05 to 60 that market-data has for an answer: a little more "
        "than its own deadline",
    )
    redis_url: SecretStr = Field(
        default=SecretStr(""),
        description="redis://host:port/db, so that several replicas share one inbox; empty: SQLite "
        "at INBOX_PATH",
    )
    inbox_path: str = Field(
        default="data/inbox.sqlite3",
        min_length=1,
        description="the SQLite file of the inbox, used without REDIS_URL",
    )
    enable_auto_signals: bool = Field(
        default=False,
        description="true or false: whether signals come by themselves to the chats that asked for "
        "them with /signal on",
    )
    auto_signal_interval: int = Field(
        default=3600,
        ge=1,
        le=86_400,
        description="seconds from one round of auto-signals to the next, 1 to 86400; rounds are at "
        "multiples of it on the clock (UTC), so 3600 is on the hour",
    )
    auto_signal_pairs: Annotated[str, AfterValidator(_pairs)] = Field(
        default="BTC/USDT,ETH/USDT",
        description="the pairs that auto-signals watch, with commas between, like "
        "BTC/USDT,ETH/USDT",
    )
    min_confidence_threshold: int = Field(
        default=60,
        ge=0,
        le=100,
        description="the least confidence that an auto-signal is sent with: 0 to 100",
    )
    signals_path: str = Field(
        default="",
        description="the SQLite file of auto-signals and their subscribers, used without "
        "REDIS_URL; empty: signals.sqlite3 beside INBOX_PATH",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO",
        description="DEBUG, INFO, WARNING or ERROR",
    )

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, values: dict[str, Any]) -> dict[str, Any]:
        meant = {
            name: as_meant(value) if isinstance(value, str) else value
            for name, value in values.items()
        }
        return {name: value for name, value in meant.items() if value != ""}

    @validates("bot_mode", mode="before")
    @classmethod
    def _in_small_letters(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @validates("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @validates("telegram_allowed_users")
    @classmethod
    def _of_people(cls, value: str, info: ValidationInfo) -> str:
        token = info.data.get("telegram_bot_token")
        own = token.get_secret_value().partition(":")[0] if token else ""
        if own and int(own) in AllowList.parse(value).ids:
            raise ValueError(f"{own} is the bot itself, not a person")
        return value

    @validates("telegram_api_base_url")
    @classmethod
    def _without_bot(cls, value: str) -> str:
        if _WITH_BOT.search(value):
            raise ValueError("/bot and the token have no place here")
        return value

    @validates("telegram_bot_token")
    @classmethod
    def _token(cls, value: SecretStr) -> SecretStr:
        if not TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("not a bot token")
        return value

    @validates("webhook_url")
    @classmethod
    def _webhook_url(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            return _required_in_webhook_mode(value, info)
        url = _base_url(value)
        parts = urlsplit(url)
        if info.data.get("telegram_api_base_url") == _TELEGRAMS_OWN:
            if parts.scheme != "https":
                raise ValueError("it has to be https: Telegram calls nothing else")
            if parts.port not in _WEBHOOK_PORTS:
                raise ValueError("its port has to be 443, 80, 88 or 8443: Telegram calls no other")
        return url if parts.path else f"{url}/webhook"

    @validates("webhook_secret")
    @classmethod
    def _webhook_secret(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        secret = value.get_secret_value()
        if not secret:
            return _required_in_webhook_mode(value, info)
        if not _SECRET.fullmatch(secret):
            raise ValueError("not a webhook secret")
        return value

    @validates("market_data_token")
    @classmethod
    def _market_data_token(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not _SHARED_TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("not such a token")
        return value

    @validates("redis_url")
    @classmethod
    def _redis_url(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("not a Redis URL")
        _check_port(url)
        return value

    @validates("signals_path")
    @classmethod
    def _signals_path(cls, value: str, info: ValidationInfo) -> str:
        if value and value == info.data.get("inbox_path"):
            raise ValueError("the inbox is there")
        return value

    @property
    def bot_id(self) -> int:
        """The bot's own user id: what stands before the colon of its token."""
        return int(self.telegram_bot_token.get_secret_value().partition(":")[0])

    @property
    def allowed(self) -> AllowList:
        """TELEGRAM_ALLOWED_USERS, parsed."""
        return AllowList.parse(self.telegram_allowed_users)

    @property
    def pairs(self) -> tuple[str, ...]:
        """AUTO_SIGNAL_PAIRS in standard notation."""
        return tuple(self.auto_signal_pairs.split(","))

    @property
    def signals_file(self) -> Path:
        """SIGNALS_PATH, or its default."""
        beside = Path(self.inbox_path).with_name("signals.sqlite3")
        return Path(self.signals_path) if self.signals_path else beside

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log line may hold."""
        values = (
            self.telegram_bot_token,
            self.webhook_secret,
            self.redis_url,
            self.market_data_token,
        )
        return tuple(text for value in values if (text := value.get_secret_value()))


class LambdaSettings(Settings):
    """The settings in Lambda, which freezes the process between two events."""

    enable_auto_signals: bool = Field(default=False, description="false in AWS Lambda")

    @validates("enable_auto_signals")
    @classmethod
    def _no_background(cls, value: bool) -> bool:
        if value:
            raise ValueError(
                "there, nothing runs between two events, so no signal would come by itself"
            )
        return value


def _required_in_webhook_mode(value: T, info: ValidationInfo) -> T:
    if info.data.get("bot_mode") == "webhook":
        raise PydanticCustomError("missing", "needed in webhook mode")
    return value


def load(kind: type[Settings] = Settings, **overrides: Any) -> Settings:
    """Return the settings of this process, or one `SettingsError` that names everything
    that is wrong."""
    try:
        return kind(**overrides)
    except UnicodeDecodeError:
        raise SettingsError(".env cannot be read: it should be text in UTF-8") from None
    except ValidationError as error:
        problems = [_problem(kind, cast("Mapping[str, Any]", item)) for item in error.errors()]
        # Not chained: pydantic's own text could repeat a value, and a value may be a secret.
        raise SettingsError("\n".join(problems)) from None


def _problem(kind: type[Settings], item: Mapping[str, Any]) -> str:
    name = str(item["loc"][0])
    field: FieldInfo = kind.model_fields[name]
    state = "is not set" if item["type"] == "missing" else f"is wrong ({_reason(item)})"
    return f"{name.upper()} {state}: it should be {field.description}"


def _reason(item: Mapping[str, Any]) -> str:
    message = str(item["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
