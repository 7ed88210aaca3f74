"""The bot about itself: getMe, commands by scope and language, names, descriptions, buttons.

Source: `process_*_my_*_query` in Client.cpp of the open-source Bot API server; BotCommand.cpp and
BotCommandScope.cpp of td.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import find_chat
from botproof.doubles.telegram.methods.members import rights_in
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Json

MAX_COMMANDS = 100
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_LANGUAGE = re.compile(r"[a-z]{2}")


def get_me(turn: Turn, _params: Params) -> object:
    """Return the bot as a user."""
    return turn.bot.user


# -- commands ------------------------------------------------------------------------------------


def _slot(turn: Turn, params: Params) -> str:
    """Return where the commands of a scope and a language are kept."""
    scope: Json = dict(params.get("scope") or {"type": "default"})
    if scope.get("chat_id") not in {None, ""}:
        scope["chat_id"] = find_chat(turn, scope["chat_id"]).id
    language = params.get("language_code", "")
    if language and _LANGUAGE.fullmatch(language) is None:
        raise bad_request("invalid language code specified")
    return msgspec.json.encode(["commands", scope, language], order="sorted").decode()


def set_my_commands(turn: Turn, params: Params) -> object:
    """Set the commands that the menu shows; an empty list takes them away."""
    slot = _slot(turn, params)
    commands = params.get("commands") or []
    if len(commands) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    kept = [_command(command) for command in commands]
    if kept:
        turn.bot.profile[slot] = kept
    else:
        turn.bot.profile.pop(slot, None)
    return True


def _command(command: Json) -> Json:
    name = command["command"].removeprefix("/").lower()
    description = command["description"].strip()
    if _COMMAND.fullmatch(name) is None:
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= len(description) <= 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name, "description": description}


def get_my_commands(turn: Turn, params: Params) -> object:
    """Return the commands of exactly this scope and language."""
    return turn.bot.profile.get(_slot(turn, params), [])


def delete_my_commands(turn: Turn, params: Params) -> object:
    """Back to the commands of the wider scope."""
    turn.bot.profile.pop(_slot(turn, params), None)
    return True


# -- names and descriptions ----------------------------------------------------------------------


def _text_setter(key: str, limit: int) -> Method:
    def setter(turn: Turn, params: Params) -> object:
        text = params.get(key, "")
        if len(text) > limit:
            raise bad_request(f"{key.upper()}_TOO_LONG")
        turn.bot.profile[f"{key}:{params.get('language_code', '')}"] = text
        if key == "name" and text and not params.get("language_code"):
            turn.bot.user = {**turn.bot.user, "first_name": text}
            turn.bot.sender = {**turn.bot.sender, "first_name": text}
        return True

    return setter


def _text_getter(key: str) -> Method:
    def getter(turn: Turn, params: Params) -> object:
        profile = turn.bot.profile
        default = turn.bot.user["first_name"] if key == "name" else ""
        own = profile.get(f"{key}:{params.get('language_code', '')}")
        return {key: own or profile.get(f"{key}:") or default}

    return getter


# -- rights, buttons, pictures -------------------------------------------------------------------


def set_chat_menu_button(turn: Turn, params: Params) -> object:
    """Set the button beside the input field, of one chat or of all."""
    button = params.get("menu_button") or {"type": "default"}
    if button["type"] == "web_app" and not button["web_app"]["url"].startswith("https://"):
        raise bad_request("menu button Web App URL is invalid: Only HTTPS links are allowed")
    turn.bot.profile[f"menu:{_menu_chat(turn, params)}"] = button
    return True


def get_chat_menu_button(turn: Turn, params: Params) -> object:
    """Return the button beside the input field, as it was set."""
    profile, chat = turn.bot.profile, _menu_chat(turn, params)
    own: Json = profile.get(f"menu:{chat}", {"type": "default"})
    if chat == 0 and own["type"] == "default":
        return {"type": "commands"}
    return own


def _menu_chat(turn: Turn, params: Params) -> int:
    if not params.get("chat_id"):
        return 0
    chat = find_chat(turn, params["chat_id"])
    if chat.kind != "private":
        raise bad_request("invalid chat_id specified")
    return chat.id


def set_default_rights(turn: Turn, params: Params) -> object:
    """Set the administrator rights that the bot asks for."""
    turn.bot.profile[_rights_slot(params)] = params.get("rights") or {}
    return True


def get_default_rights(turn: Turn, params: Params) -> object:
    """Return the administrator rights that the bot asks for, as chats of the kind have them."""
    kept = turn.bot.profile.get(_rights_slot(params), {})
    names = rights_in("channel" if params.get("for_channels") else "supergroup")
    rights: Json = {name: bool(kept.get(name, False)) for name in names}
    if params.get("for_channels"):
        rights["is_anonymous"] = False  # nobody is, in a channel
    return rights


def _rights_slot(params: Params) -> str:
    return f"rights:{bool(params.get('for_channels', False))}"


METHODS: Mapping[str, Method] = {
    "getme": get_me,
    "setmycommands": set_my_commands,
    "getmycommands": get_my_commands,
    "deletemycommands": delete_my_commands,
    "setmyname": _text_setter("name", 64),
    "getmyname": _text_getter("name"),
    "setmydescription": _text_setter("description", 512),
    "getmydescription": _text_getter("description"),
    "setmyshortdescription": _text_setter("short_description", 120),
    "getmyshortdescription": _text_getter("short_description"),
    "setchatmenubutton": set_chat_menu_button,
    "getchatmenubutton": get_chat_menu_button,
    "setmydefaultadministratorrights": set_default_rights,
    "getmydefaultadministratorrights": get_default_rights,
}
