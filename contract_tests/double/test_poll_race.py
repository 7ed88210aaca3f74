"""What happens to a waiting call in the moment at which it begins or its caller goes away."""

import asyncio

import pytest

from botproof.doubles.messages import Request, Response
from botproof.doubles.telegram.app import TelegramDouble

TOKEN = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"


async def say_hi(double: TelegramDouble) -> None:
    """A person says something in chat 1."""
    path, said = f"/_double/bots/{TOKEN}/updates", b'{"text": "hi", "chat_id": 1, "user_id": 1}'
    inject = double.handle(Request("POST", path, body=said))
    if not isinstance(inject, Response):
        await inject  # type: ignore[misc]  # a handler's answer is a Response or can be awaited


@pytest.mark.anyio
async def test_an_update_that_comes_before_the_poll_has_begun_to_wait_still_answers_it() -> None:
    double = TelegramDouble()
    poll = double.handle(Request("POST", f"/bot{TOKEN}/getUpdates", {"timeout": "20"}))
    await say_hi(double)

    async with asyncio.timeout(60):
        answer = await poll  # type: ignore[misc]  # as above
    await double.close()

    assert isinstance(answer, Response)
    assert b'"text":"hi"' in answer.body


@pytest.mark.anyio
async def test_a_delayed_call_whose_caller_goes_away_is_in_the_record() -> None:
    double = TelegramDouble()
    await say_hi(double)
    double.machine.faults.add({"kind": "delay", "method": "sendMessage", "seconds": 20})
    call = double.handle(
        Request("POST", f"/bot{TOKEN}/sendMessage", {"chat_id": "1", "text": "there"})
    )
    task = asyncio.ensure_future(call)  # type: ignore[arg-type]  # as above
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await double.close()

    calls = [bytes(event) for event in double.transcript.after(0).events]
    assert any(b'"sendMessage"' in event and b'"text":"there"' in event for event in calls)


@pytest.mark.anyio
async def test_a_poll_that_begins_to_wait_is_in_the_record_before_it_ends() -> None:
    double = TelegramDouble()
    poll = double.handle(Request("POST", f"/bot{TOKEN}/getUpdates", {"timeout": "20"}))
    events = [bytes(event) for event in double.transcript.after(0).events]
    task = asyncio.ensure_future(poll)  # type: ignore[arg-type]  # a handler's answer can be awaited
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await double.close()

    assert sum(b'"type":"poll"' in event for event in events) == 1
