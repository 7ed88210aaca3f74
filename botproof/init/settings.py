"""What a setting of a bot is likely to be for, told by its name, and what a trial gives it."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping

from botproof.users import FIRST_USER

OWNER_CHAT = "owner"
"""The chat in which everything is said to a bot that only one user may use."""


class Role(enum.Enum):
    """What a setting is for."""

    TOKEN = "token"  # noqa: S105 - only a name
    TELEGRAM_URL = "where the Bot API is"
    USERS = "who may use it"
    USER = "one user"
    WEBHOOK_URL = "where its webhook is reached"
    WEBHOOK_PATH = "the path of its webhook"
    SECRET = "the secret of its webhook"  # noqa: S105 - only a name
    PORT = "the port that it listens on"
    HOST = "the address that it listens on"
    MODE = "how it takes updates"
    STORE = "a file or a database"
    OTHER = ""


_VENUES = r"BINANCE|BYBIT|OKX|GATE|BITGET|HYPERLIQUID|YAHOO|COIN|CMC|KRAKEN|ETHERSCAN|OPENAI|NEWS"
_FOREIGN = re.compile(
    rf"{_VENUES}|GITHUB|GITLAB|SLACK|DISCORD|ACCESS_TOKEN|REFRESH|CSRF|JWT|STRIPE|SENTRY|HF_|AWS|"
    r"PROVIDER|PAYMENT|BOTAN"
)
_RULES: tuple[tuple[Role, str], ...] = (
    (
        Role.SECRET,
        r"WEBHOOK.*(SECRET|TOKEN)|SECRET_TOKEN",
    ),
    (
        Role.WEBHOOK_PATH,
        r"(WEBHOOK|HOOK).*PATH|URL_PATH",
    ),
    (
        Role.WEBHOOK_URL,
        (
            r"(WEBHOOK|HOOK|PUBLIC|EXTERNAL|APP|HEROKU|RENDER).*(URL|DOMAIN|BASE)|"
            r"DOMAIN|^WEBHOOK$|WEBHOOK_HOST|^BASE_URL$|^APP_NAME$|"
            r"(^|_)URL_(WEB)?HOOK|"
            r"^(MY_)?(SERVER|SITE|SELF|BACKEND|SERVICE|HOST|DEPLOY\w*|RAILWAY|VERCEL|NGROK|KOYEB|FLY|"
            r"TUNNEL|DOMAIN)_(\w+_)?UR[LI]$"
        ),
    ),
    (
        Role.MODE,
        (
            r"(^|_)MODE$|(USE|ENABLE)_?WEBHOOKS?|WEBHOOK_(ENABLED|MODE)|^POLLING$|"
            r"USE_POLLING"
        ),
    ),
    (
        Role.TELEGRAM_URL,
        (
            r"(TELEGRAM|TG|BOT).*(URL|BASE|ROOT|SERVER|ENDPOINT)|^(API|API_URL|"
            r"API_BASE|API_BASE_URL|API_ROOT|API_SERVER|LOCAL_API\w*)$"
        ),
    ),
    (
        Role.TOKEN,
        r"TOKEN|(TELEGRAM|TG|BOT)_?(API)?_?KEY",
    ),
    (
        Role.PORT,
        r"(^|_)PORT$|^PORT_(BOT|HTTP|WEB\w*|SERVER|APP)$",
    ),
    (
        Role.HOST,
        r"^(LISTEN|BIND|HOST|WEB\w*_HOST|LISTEN_\w+|\w*BIND\w*)$",
    ),
    (
        Role.USERS,
        (
            r"(ALLOWED|WHITELIST|AUTHORI[SZ]ED|ADMIN|OWNER|SUPER|TRUSTED|USER|"
            r"CHAT).*(IDS|USERS|ADMINS|LIST)$|^(ADMINS|OWNERS|SUDO\w*|WHITELIST|"
            r"ALLOWLIST|ALLOWED_CHATS?)$"
        ),
    ),
    (
        Role.USER,
        r"(ADMIN|OWNER|USER|CHAT|MASTER)(_?CHAT)?_?ID$|^(ADMIN|OWNER)$|_ADMIN$",
    ),
    (
        Role.STORE,
        (
            r"DATABASE|(^|_)DB(_|$)|SQLITE|REDIS|MONGO|POSTGRES|STORAGE|DATA_DIR|"
            r"STATE"
        ),
    ),
)


def role_of(name: str) -> Role:
    """Return what a setting of this name is likely to be for."""
    for role, pattern in _RULES:
        if re.search(pattern, name) and not (
            _FOREIGN.search(name) and role in {Role.TOKEN, Role.TELEGRAM_URL}
        ):
            return role
    return Role.OTHER


_GIVEN = {
    Role.TOKEN: "{token}",
    Role.USERS: "{users}",
    Role.USER: str(FIRST_USER),
    Role.PORT: "{port:bot}",
    Role.WEBHOOK_URL: "{url:bot}",
    Role.HOST: "127.0.0.1",
    Role.SECRET: "a-secret-that-only-the-gate-uses",
}
_NO_EXAMPLE = re.compile(r"your|changeme|xxx|<|\.\.\.|example", re.IGNORECASE)
_BY_NAME = (
    (r"ID$", str(FIRST_USER)),
    (r"KEY|SECRET|TOKEN|PASS", "made-up-by-botproof"),
    (r"LEVEL$", "INFO"),
    (r"DEBUG|ENABLE|USE_", "false"),
)


def trial_value(name: str, examples: Mapping[str, str]) -> str | None:
    """Return what a trial gives a setting that the bot cannot do without; None where
    nothing is known."""
    role = role_of(name)
    if role in _GIVEN:
        return _GIVEN[role]
    example = examples.get(name, "")
    if example and not _NO_EXAMPLE.search(example):
        return example.replace("{", "{{").replace("}", "}}")
    if role is Role.STORE and not re.search(r"REDIS|MONGO|POSTGRES|URL|URI|DSN|HOST|CONN", name):
        return "{scratch}/" + name.lower()
    return next((value for pattern, value in _BY_NAME if re.search(pattern, name)), None)


def of_role(names: Iterable[str], *roles: Role) -> list[str]:
    """Return those of the names that are likely to be for this, those that say Telegram
    or bot first."""
    found = [name for name in names if role_of(name) in roles]
    return sorted(found, key=lambda name: not re.search(r"TELEGRAM|TG|BOT", name))
