"""Methods without behaviour of their own: parameters and chat are checked, results schema-true."""

from __future__ import annotations

from botproof.doubles.telegram.context import Params, Turn
from botproof.doubles.telegram.methods.common import Access, find_chat, post
from botproof.doubles.telegram.spec import MethodSpec, example

__all__ = ["answer"]


def answer(turn: Turn, method: MethodSpec, params: Params) -> object:
    """An example of what the method returns; a message that is sent is kept in its chat."""
    if "chat_id" not in method.params or "chat_id" not in params:
        return example(method.returns)
    sends = method.returns == "Message" and method.name.startswith("send")
    chat = find_chat(turn, params["chat_id"], Access.WRITE if sends else Access.READ)
    return post(turn, chat, params, {}) if sends else example(method.returns)
