"""Points python-telegram-bot's own tests at the double: its base URL, and a bot for each worker.

Loaded with `-p`. Nothing of a test changes: the base URL is the argument of `Bot` for local
servers, and the bots come through the variable that the project's CI uses.
"""

import base64
import json
import os
from collections.abc import Callable
from typing import Any

from world import TOKENS, World

_worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
_info = World.bot_info(TOKENS[int(_worker)])
os.environ["BOTS"] = base64.b64encode(json.dumps([{}, _info]).encode()).decode()

from telegram import Bot  # noqa: E402 - after the variables that its tests read
from telegram.ext import ExtBot  # noqa: E402

_URL = os.environ["DOUBLE_URL"]
_OFFICIAL = {
    "https://api.telegram.org/bot": f"{_URL}/bot",
    "https://api.telegram.org/file/bot": f"{_URL}/file/bot",
}


def _redirected(original: Callable[..., None]) -> Callable[..., None]:
    def init(
        self: Bot,
        token: str,
        base_url: Any = "https://api.telegram.org/bot",
        base_file_url: Any = "https://api.telegram.org/file/bot",
        **more: Any,
    ) -> None:
        there = [
            _OFFICIAL.get(u, u) if isinstance(u, str) else u for u in (base_url, base_file_url)
        ]
        original(self, token, *there, **more)

    return init


for _class in (Bot, ExtBot):
    _class.__init__ = _redirected(_class.__init__)  # type: ignore[method-assign]


def pytest_configure(config: Any) -> None:
    """Its conftest marks tests to be run up to three times; here each has one try."""
    config.addinivalue_line("markers", "flaky: known to the plugin flaky, which is left out")
