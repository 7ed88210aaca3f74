"""Methods of the specification that the double has not learned: none of today's.

Parameters and chat are checked, results are schema-true examples; docs/telegram-double.md names the
methods, and `strict_unknowns` makes them fail.
"""

from __future__ import annotations

from botproof.doubles.telegram.context import Params, Turn
from botproof.doubles.telegram.methods.common import Access, find_chat, post
from botproof.doubles.telegram.methods.stand_ins import refuse_unknown
from botproof.doubles.telegram.spec import MethodSpec, example


def answer(turn: Turn, method: MethodSpec, params: Params) -> object:
    """Return an example of what the method returns; messages are those of the chat that
    the call names."""
    refuse_unknown(turn)
    if not params.get("chat_id"):
        return example(method.returns)
    if not method.returns.startswith("Message"):
        find_chat(turn, params["chat_id"], Access.READ)
        return example(method.returns)
    return post(turn, find_chat(turn, params["chat_id"], Access.WRITE), params, {})
