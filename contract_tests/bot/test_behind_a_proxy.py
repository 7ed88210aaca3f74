"""Where a proxy is set, httpx carries the calls: what a failed one means for its message."""

import asyncio
import socket
from typing import Any

import pytest
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from reference_bot.telegram_bot.outgoing.failures import Again, Failure, Unknown, classify

pytestmark = pytest.mark.anyio
TELEGRAM = "https://api.telegram.org/bot1:A/sendMessage"


async def meaning(request: HTTPXRequest, url: str) -> Failure:
    async with request:
        with pytest.raises(TelegramError) as raised:
            await request.post(url)
    return classify(raised.value)


async def served(answer: bytes) -> tuple[asyncio.Server, str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 no\r\n\r\n", b"HTTP/1.1 407 who\r\n\r\n"])
async def test_what_a_proxy_did_not_connect_goes_again(answer: bytes) -> None:
    server, url = await served(answer)
    async with server:
        assert await meaning(HTTPXRequest(proxy=url), TELEGRAM) == Again("unsent")


async def test_without_its_proxy_a_message_goes_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert await meaning(HTTPXRequest(proxy=url), TELEGRAM) == Again("unsent")


async def test_what_no_connection_was_free_for_goes_again() -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await release.wait()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        request = HTTPXRequest(connection_pool_size=1, pool_timeout=0.01, read_timeout=60)
        async with request:
            first: asyncio.Task[Any] = asyncio.create_task(request.post(url))
            await asked.wait()
            with pytest.raises(TelegramError) as raised:
                await request.post(url)
            release.set()
            with pytest.raises(TelegramError) as lost:
                await first
    assert classify(raised.value) == Again("unsent")
    assert classify(lost.value) == Unknown(), "it was written, and no answer came"
