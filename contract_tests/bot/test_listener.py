"""What the bot's listener takes of a request: anybody can call the door of the webhook."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from contract_tests.bot.conftest import HTTP, PATIENCE, SECRET
from contract_tests.bot.test_bot_process import message

POST = b"POST /webhook HTTP/1.1\r\nHost: bot\r\n"
LOCK = f"X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n".encode()
CHUNKED = POST + LOCK + b"Transfer-Encoding: chunked\r\n\r\n"


def connect(bot: Any) -> socket.socket:
    url = urlsplit(bot.url)
    return socket.create_connection((url.hostname, url.port), timeout=PATIENCE)


def until_closed(bot: Any, pieces: Iterator[bytes]) -> tuple[bytes, int]:
    """What the bot says, and how many bytes it took before it took no more."""
    sent = 0
    with connect(bot) as connection:
        # Whoever closes while something is still on its way to him cuts it off.
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                sent += len(piece)
        said = b""
        with contextlib.suppress(ConnectionError):
            while more := connection.recv(65536):
                said += more
    return said, sent


def endless(first: bytes, again: bytes) -> Iterator[bytes]:
    """64 MB at the most."""
    yield first
    block = again * (65536 // len(again))
    for _ in range(1024):
        yield block


def resident(bot: Any) -> int:
    """The bot's resident memory in bytes."""
    told = Path(f"/proc/{bot.process.pid}/statm").read_text(encoding="ascii")
    return int(told.split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("first", "again"),
    [
        pytest.param(b"POST /", b"a", id="an address without end"),
        pytest.param(POST + b"X: ", b"a", id="one header without end"),
        pytest.param(POST, b"X: y\r\n", id="headers without end"),
        pytest.param(CHUNKED + b"1", b";a", id="a chunk's extension without end"),
        pytest.param(CHUNKED + b"0\r\n", b"X: y\r\n", id="trailers without end"),
        pytest.param(CHUNKED + b"0\r\nX: ", b"a", id="one trailer without end"),
        pytest.param(b"", b"GET /health HTTP/1.1\r\n\r\n", id="requests ahead of their answers"),
    ],
)
def test_what_has_no_end_is_refused_and_takes_no_memory(
    start_bot: Any, first: bytes, again: bytes
) -> None:
    bot = start_bot("webhook").until_ready()
    before = resident(bot)
    _, sent = until_closed(bot, endless(first, again))
    assert sent < 32_000_000  # what two sockets hold, and no more
    assert resident(bot) - before < 16_000_000
    assert HTTP.get(f"{bot.url}/health").status_code == 200


def test_too_many_headers_are_told_so(start_bot: Any) -> None:
    bot = start_bot("webhook").until_ready()
    said, _ = until_closed(bot, iter([POST + b"X: y\r\n" * 201 + b"\r\n"]))
    assert said.startswith(b"HTTP/1.1 400 ")


def test_what_proxies_make_of_telegrams_requests_is_taken(start_bot: Any, telegram: Any) -> None:
    """In chunks, in pieces, with a hundred headers more, several over one connection."""
    bot = start_bot("webhook").until_ready()
    telegram.say("hello", chat=1)  # Telegram lets a bot write only to whom it knows
    bodies = [json.dumps(message(number)).encode() for number in (1, 2, 3)]
    plain = POST + LOCK + b"X-Forwarded-For: 192.0.2.1\r\n" * 100
    with connect(bot) as connection:
        first, second, third = bodies
        chunks = b"".join(b"1\r\n" + first[at : at + 1] + b"\r\n" for at in range(len(first)))
        connection.sendall(CHUNKED + chunks + b"0\r\n\r\n")
        answered(connection)
        told = plain + b"Content-Length: %d\r\n\r\n" % len(second) + second
        for at in range(0, len(told), 100):
            connection.sendall(told[at : at + 100])
        answered(connection)
        connection.sendall(POST + LOCK + b"Expect: 100-continue\r\n")
        connection.sendall(b"Content-Length: %d\r\n\r\n" % len(third))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(third)
        answered(connection)
    telegram.replies(3)


def answered(connection: socket.socket) -> None:
    said = b""
    while not said.endswith(b"\r\n\r\n"):
        more = connection.recv(65536)
        assert more, f"closed after {said!r}"
        said += more
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: 0\r\n" in said
