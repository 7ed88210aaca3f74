"""Every method of the specification: called with nothing, and with what it requires.

Whatever the answer, it is Telegram's: a refusal in words, or a result that is true to the schema.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from botproof.doubles.telegram.context import Settings
from botproof.doubles.telegram.machine import Machine
from botproof.doubles.telegram.methods import METHODS
from botproof.doubles.telegram.replies import Later, Reply
from botproof.doubles.telegram.spec import MethodSpec, Upload, example, methods

TOKEN = "5:" + "A" * 35
GROUP = -1_000_000_000_005
NOW = 1_000_000.0
KNOWN: dict[str, object] = {
    "chat_id": GROUP,
    "from_chat_id": GROUP,
    "sender_chat_id": GROUP,
    "user_id": 1,
    "message_id": 1,
    "message_ids": [1],
    "action": "typing",
    "emoji": "🎲",
}


@pytest.fixture
def machine() -> Machine:
    return furnished()


def furnished(*, strict: bool = False) -> Machine:
    """A machine with a supergroup in which the bot may do everything, and one message."""
    made = Machine(Settings(seed=1, flood=None, strict_unknowns=strict))
    made.person(TOKEN, {"text": "hi", "chat_id": GROUP, "user_id": 1}, NOW)
    everything = {
        "id": GROUP,
        "bot": {"status": "creator"},
        "members": [{"user": {"id": 1}, "status": "member"}],
    }
    made.chat(TOKEN, everything, NOW)
    return made


def required(method: MethodSpec) -> dict[str, object]:
    params: dict[str, object] = {}
    for param in method.params.values():
        if not param.required:
            continue
        if "InputFile" in param.types:
            params[param.name] = Upload("a.bin", "", b"data")
        else:
            params[param.name] = KNOWN.get(param.name, example(param.types[0]))
    return params


def call(machine: Machine, name: str, params: dict[str, object]) -> Reply:
    reply = machine.call(TOKEN, name, params, NOW)
    if isinstance(reply, Later):
        machine.wake(NOW + 60)
        return Reply(200, result=[])
    return reply


@pytest.mark.parametrize("method", methods().values(), ids=lambda method: method.name)
def test_with_what_it_requires(
    machine: Machine, method: MethodSpec, breaches: Callable[[Any, str, str], list[str]]
) -> None:
    reply = call(machine, method.name, required(method))
    if reply.is_ok:
        result = msgspec.json.decode(reply.encoded())
        assert breaches(result, method.returns, method.returns) == []
    else:
        assert reply.status in {400, 403, 404, 429}
        assert re.fullmatch(
            "(Bad Request|Forbidden|Too Many Requests): .+", reply.description or ""
        )


@pytest.mark.parametrize("method", methods().values(), ids=lambda method: method.name)
def test_with_nothing(machine: Machine, method: MethodSpec) -> None:
    reply = call(machine, method.name, {})
    assert reply.status in {200, 400, 429}


def test_many_are_accepted_with_what_they_require() -> None:
    """So that the two tests above do not pass on refusals alone. Where an example names something
    that is not there (a gift, a sticker, a connection), the refusal is the right answer."""
    accepted = [m.name for m in methods().values() if call(furnished(), m.name, required(m)).is_ok]
    assert len(accepted) > len(methods()) / 3


def test_every_method_of_the_specification_is_kept_and_no_other() -> None:
    assert sorted(METHODS) == sorted(methods())


@pytest.mark.parametrize("method", methods().values(), ids=lambda method: method.name)
def test_strictly_nothing_is_made_up(method: MethodSpec) -> None:
    machine = furnished(strict=True)
    reply = call(machine, method.name, required(method))
    if reply.status == 501:
        assert (reply.description or "").startswith(f"Not Implemented: {method.name}: ")
    assert "example" not in reply.encoded().decode() or "example" in repr(required(method))
