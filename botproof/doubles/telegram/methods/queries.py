"""Answering what a person asked: buttons, inline queries, payments. Each may be answered once.

Source of the text: QUERY_ID_INVALID in `fail_query_with_error`, Client.cpp of the open-source Bot
API server.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import message_text
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Json

TOO_OLD = "query is too old and response timeout expired or query ID is invalid"
MAX_NOTIFICATION = 200
MAX_RESULTS = 50


def take(turn: Turn, query_id: str, kind: str) -> Json:
    """Return a query that is open still; refused once it is answered or too old."""
    query = turn.bot.queries.get(query_id)
    if query is None or query["kind"] != kind or query["until"] < turn.now or query["answer"]:
        raise bad_request(TOO_OLD)
    return query


def answer_callback_query(turn: Turn, params: Params) -> object:
    """Tell the person who tapped a button that it was heard."""
    query = take(turn, params.get("callback_query_id", ""), "callback_query")
    if len(params.get("text", "")) > MAX_NOTIFICATION:
        raise bad_request("MESSAGE_TOO_LONG")
    query["answer"] = {
        "text": params.get("text", ""),
        "show_alert": bool(params.get("show_alert", False)),
        "url": params.get("url", ""),
        "cache_time": params.get("cache_time", 0),
    }
    return True


def answer_inline_query(turn: Turn, params: Params) -> object:
    """Offer results for what a person types after the bot's name."""
    results = params.get("results") or []
    if len(results) > MAX_RESULTS:
        raise bad_request("too many inline query results specified")
    identifiers = [result["id"] for result in results]
    if any(not 1 <= len(identifier.encode()) <= 64 for identifier in identifiers):
        raise bad_request("RESULT_ID_INVALID")
    if len(set(identifiers)) != len(identifiers):
        raise bad_request("RESULT_ID_DUPLICATE")
    for result in results:
        _check_result(turn, result)
    query = take(turn, params.get("inline_query_id", ""), "inline_query")
    names = ("cache_time", "is_personal", "next_offset", "button")
    query["answer"] = {"results": results, **{n: params[n] for n in names if n in params}}
    return True


def _check_result(turn: Turn, result: Json) -> None:
    content = result.get("input_message_content")
    if content and "message_text" in content:
        message_text(turn, {**content, "text": content["message_text"]})


METHODS: Mapping[str, Method] = {
    "answercallbackquery": answer_callback_query,
    "answerinlinequery": answer_inline_query,
}
