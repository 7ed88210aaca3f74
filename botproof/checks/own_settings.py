"""What a bot tells Telegram of itself: its menu of commands, its description, its menu button.

Every user sees it, and no case asks for it: it has an approved file of its own, `_bot.txt`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from botproof.calls import plain
from botproof.chats import ReplyRules
from botproof.history import BotApiCall, History

CASE = "_bot"
"""The name of its approved file; no case can be called so."""

_NOT_SHOWN = frozenset({"setWebhook", "setMessageReaction"})
"""Calls by which the modes must differ, or that are about one message."""
_FOR_WHOM = ("scope", "language_code", "chat_id")
_COMMANDS = ("setMyCommands", "deleteMyCommands")


def setting_calls(history: History, stack: str) -> Iterator[BotApiCall]:
    """Yield the calls of a stack that concern the bot as a whole and that Telegram
    took, in order."""
    for call in history.of(BotApiCall, stack=stack):
        named = call.method.startswith("set") or call.method in _COMMANDS
        if named and call.method not in _NOT_SHOWN and call.error_code is None:
            yield call


def own_settings(history: History, stack: str, rules: ReplyRules) -> str:
    """Return what the bot of a stack told of itself at last, as an approved file holds it; "" for
    nothing.

    Of calls for the same scope, language and chat the last one counts.
    """
    last: dict[tuple[str, str], BotApiCall] = {}
    for call in setting_calls(history, stack):
        last[call.method.replace("delete", "set"), _for_whom(call.params)] = call
    lines = []
    for (method, whom), call in sorted(last.items()):
        if not call.method.startswith("delete"):
            lines += [f"--- {method} {whom}".rstrip(), *_shown(call.params)]
    text = rules.normalise("\n".join(line.rstrip() for line in lines))
    return f"the bot of itself\n{text}\n" if lines else ""


def _for_whom(params: Mapping[str, Any]) -> str:
    given = {key: plain(params[key]) for key in _FOR_WHOM if params.get(key)}
    everybody = given.get("scope") == {"type": "default"}
    given = {key: value for key, value in given.items() if key != "scope" or not everybody}
    return _as_json(given) if given else ""


def _shown(params: Mapping[str, Any]) -> Iterator[str]:
    for key, given in params.items():
        value = plain(given)
        if key == "commands" and isinstance(value, list):
            for one in value:
                named = isinstance(one, Mapping)
                yield f"/{one.get('command')} {one.get('description')}" if named else str(one)
        elif key not in _FOR_WHOM:
            yield f"{key}: {value if isinstance(value, str) else _as_json(value)}"


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
