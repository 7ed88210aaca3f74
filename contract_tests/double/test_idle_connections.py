"""A webhook's connection is used again while it is fresh, and not when its server may close it."""

import asyncio

import pytest

from botproof.doubles.telegram import delivery
from botproof.doubles.telegram.context import Post
from botproof.doubles.telegram.delivery import Delivered, Deliverer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("idle_s", "opened"), [(60.0, 1), (1e-9, 2)])
async def test_a_connection_that_stood_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, idle_s: float, opened: int
) -> None:
    """A post that meets the moment in which the server closes it is reset: no fault of the bot."""
    monkeypatch.setattr(delivery, "_IDLE_S", idle_s)
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    came: asyncio.Queue[Delivered] = asyncio.Queue()
    deliverer = Deliverer(came.put_nowait)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for number in (1, 2):
            deliverer.start(Post(number, "t", number, 1, f"http://127.0.0.1:{port}/", "", b"{}"))
            assert (await came.get()).outcome.status == 200
        await deliverer.close()
    assert connections == opened


def test_it_is_let_go_before_any_usual_server_closes_it() -> None:
    """Gunicorn waits for 2 s (`--keep-alive`), uvicorn for 5 s (`--timeout-keep-alive`)."""
    assert delivery._IDLE_S < 2
