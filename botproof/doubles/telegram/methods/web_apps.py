"""Web Apps, prepared messages and buttons, guest queries, and the queries of join requests.

Source of the texts: `process_answer_web_app_query_query` and its neighbours in Client.cpp of the
open-source Bot API server; what stands in capitals comes from Telegram itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.keeps import keep
from botproof.doubles.telegram.methods.inline import inline_content, inline_message
from botproof.doubles.telegram.methods.queries import take
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Json

PREPARED_FOR = 86_400  # seconds that a prepared message is kept
_DECISIONS = frozenset({"approve", "decline", "queue"})


def _answer(turn: Turn, params: Params, key: str, kind: str) -> object:
    """Send a message in the chat where a Web App was opened, in the name of its user, or to which
    the bot was called as a guest."""
    content = inline_content(turn, params["result"])
    query = take(turn, params.get(key, ""), kind)
    query["answer"] = {"result": params["result"]}
    return {"inline_message_id": inline_message(turn, params["result"], content, query)}


def _prepared(turn: Turn, params: Params, what: Json) -> str:
    if params["user_id"] not in turn.bot.users:
        raise bad_request("USER_ID_INVALID")
    number = f"pr{turn.core.number():014d}"
    keep(turn.bot.keeps.prepared, number, {"user_id": params["user_id"], **what})
    return number


_CHATS = ("allow_user_chats", "allow_bot_chats", "allow_group_chats", "allow_channel_chats")


def save_message(turn: Turn, params: Params) -> object:
    """Keep a message that a person may send from a Web App."""
    inline_content(turn, params["result"])
    if not any(params.get(name) for name in _CHATS):
        raise bad_request("PEER_TYPES_INVALID")
    until = turn.date + PREPARED_FOR
    number = _prepared(turn, params, {"result": params["result"], "until": until})
    return {"id": number, "expiration_date": until}


def save_button(turn: Turn, params: Params) -> object:
    """Keep a button that a Web App may ask a person with; it has to request users, a
    chat or a bot."""
    asks = ("request_users", "request_chat", "request_managed_bot")
    if not any(name in params["button"] for name in asks):
        raise bad_request("BUTTON_INVALID")
    return {"id": _prepared(turn, params, {"button": params["button"]})}


def answer_join_query(turn: Turn, params: Params) -> object:
    """Send what becomes of a request to join that the bot was asked about."""
    if params["result"] not in _DECISIONS:
        raise bad_request("invalid result specified")
    _join_query(turn, params)["answer"] = {"result": params["result"]}
    return True


def send_join_web_app(turn: Turn, params: Params) -> object:
    """Show a Web App to somebody who asks to join."""
    if not params["web_app_url"].startswith("https://"):
        raise bad_request("WEBAPP_URL_INVALID")
    _join_query(turn, params)["answer"] = {"web_app_url": params["web_app_url"]}
    return True


def _join_query(turn: Turn, params: Params) -> Json:
    number = params["chat_join_request_query_id"]
    if number not in turn.bot.queries:
        raise bad_request("BOT_GUARD_NOT_SUPPORTED")
    return take(turn, number, "chat_join_request")


METHODS: Mapping[str, Method] = {
    "answerwebappquery": partial(_answer, key="web_app_query_id", kind="web_app"),
    "answerguestquery": partial(_answer, key="guest_query_id", kind="guest_message"),
    "savepreparedinlinemessage": save_message,
    "savepreparedkeyboardbutton": save_button,
    "answerchatjoinrequestquery": answer_join_query,
    "sendchatjoinrequestwebapp": send_join_web_app,
}
