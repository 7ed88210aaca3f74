"""Slow and idle connections take nobody's place."""

import contextlib
import http.client
import resource
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

SOONER = 8.0
"""Idle connections are closed after ten seconds: who waits for that has been silenced by them."""
SLOW_BODY = (
    b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"
    b"X-Telegram-Bot-Api-Secret-Token: a-secret-of-the-tests\r\n\r\n{"
)


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), 60)


@pytest.mark.slow
@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("began", [b"", b"POST /webhook HTTP/1.1\r\nHost: a\r\n"])
def test_idle_connections_silence_nobody(
    start_bot: Any, attack: Any, soon: Any, began: bytes
) -> None:
    bot = start_bot("webhook", descriptors=1024).until_ready()
    attack.canary()
    with contextlib.ExitStack() as stack:
        for _ in range(1_100):
            one = stack.enter_context(connect(bot.url))
            with contextlib.suppress(OSError):
                one.sendall(began)
        soon(lambda: bot.ready()[0] == 200, SOONER)
        attack.canary(seconds=SOONER)
        assert bot.post(attack.message(chat=1))[0] == 200
    assert bot.end() == 0
    assert len(bot.lines) < 500


@pytest.mark.slow
@pytest.mark.parametrize(
    ("began", "seconds"),
    [
        (b"", 10),
        (b"POST /webhook HTTP/1.1\r\nHost: a\r\nX-Slow: ", 10),
        (b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", 10),  # answered, and then idle
        (SLOW_BODY, 30),
    ],
)
def test_what_takes_too_long_is_closed(start_bot: Any, began: bytes, seconds: int) -> None:
    bot = start_bot("webhook")
    with connect(bot.url) as slow:
        slow.settimeout(seconds + 45)
        slow.sendall(began)
        with contextlib.suppress(ConnectionResetError):
            while slow.recv(4096):
                pass  # what is answered before the end
    assert bot.end() == 0


def test_the_admins_paths_can_listen_apart(start_bot: Any) -> None:
    bot = start_bot("webhook", ADMIN_PORT="0")
    admin = bot.event("listening for the admin")["port"]
    for path in ("/health", "/ready", "/metrics"):
        assert ask(bot.url, path) == 404
        assert ask(f"http://127.0.0.1:{admin}", path) in {200, 503}
    assert ask(bot.url, "/webhook", "POST") == 401
    assert ask(f"http://127.0.0.1:{admin}", "/webhook", "POST") == 404
    assert bot.end() == 0


def ask(url: str, path: str, method: str = "GET", **headers: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), int(parts.port or 0), timeout=60)
    connection.request(method, path, headers=headers)
    with contextlib.closing(connection):
        return connection.getresponse().status


def test_a_page_that_leads_its_name_here_is_told_nothing(start_bot: Any) -> None:
    bot = start_bot("polling", ALLOWED_HOSTS="ours.example.org")
    for host in ("evil.example", "evil.example:5000", "127.0.0.1.evil.example"):
        assert ask(bot.url, "/health", Host=host) == 421, host
    for host in ("127.0.0.1", "[::1]:5000", "localhost:5000", "bot", "ours.example.org"):
        assert ask(bot.url, "/health", Host=host) == 200, host
    assert bot.end() == 0


@pytest.mark.slow
def test_lines_of_one_kind_are_limited(start_bot: Any) -> None:
    bot = start_bot("webhook")
    for _ in range(300):
        assert bot.post(b"{}", secret="wrong")[0] == 403
    assert bot.end() == 0
    refused = [line for line in bot.lines if "a call of the webhook was refused" in line]
    assert len(refused) == 60
    assert "more lines like this are left out" in refused[-1]
