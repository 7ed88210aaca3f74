"""Methods without behaviour of their own: parameters and chat are checked, results schema-true."""

from __future__ import annotations

from botproof.doubles.telegram.context import Params, Turn
from botproof.doubles.telegram.methods.common import Access, find_chat, find_message, post
from botproof.doubles.telegram.spec import MethodSpec, example

__all__ = ["answer"]

_NAMED = {"setGameScore": "message to set game score"}


def answer(turn: Turn, method: MethodSpec, params: Params) -> object:
    """An example of what the method returns; messages are those of the chat that the call names."""
    if "chat_id" not in method.params or not params.get("chat_id"):
        return example(method.returns)
    if not method.returns.startswith("Message"):
        find_chat(turn, params["chat_id"], Access.READ)
        return example(method.returns)
    if method.name.startswith("send"):
        return post(turn, find_chat(turn, params["chat_id"], Access.WRITE), params, {})
    what = _NAMED.get(method.name, "message to edit")
    return find_message(turn, params, what, Access.EDIT)[1]
