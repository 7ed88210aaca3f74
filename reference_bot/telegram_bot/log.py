"""Log lines: one JSON object a line on stderr, and never a secret in one.

Libraries log URLs, and a Bot API URL holds the token. So every text is cleaned at the last moment,
in the formatter, whoever wrote it: known secrets by value, anything that looks like a bot token by
shape.
"""

import json
import logging
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final

from reference_bot.log_limit import LinesPerKind
from reference_bot.telegram_bot.bot_token import TOKEN

_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_REDACTED: Final = "[redacted]"


class Redactor:
    """Replaces secrets in a text."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: a secret may be part of another one.
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _REDACTED)
        return TOKEN.sub(_REDACTED, text)


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "event", ...}``; what came as ``extra`` becomes fields."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": f"{_second(record.created)}.{int(record.msecs):03}Z",
            "level": record.levelname,
            "logger": record.name,
            "event": self._redact(record.getMessage()),
        }
        for key, value in vars(record).items():
            if key not in _USUAL:
                entry[key] = self._clean(value)
        if record.exc_info:
            entry["exception"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False, default=str)

    def _clean(self, value: object) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._redact(str(value))


def _second(epoch: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def configure(level: str, secrets: Iterable[str] = ()) -> None:
    """Send every log record, and every exception that nobody caught, to stderr as a JSON line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(Redactor(secrets)))
    handler.addFilter(LinesPerKind())
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # One line a request from these says nothing that the bot's own lines do not.
    for name in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _log_uncaught


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logging.getLogger(__name__).critical("uncaught exception", exc_info=(kind, error, trace))
