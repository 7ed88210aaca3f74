"""Telegram, the heartbeat and the certificate behind a proxy, as curl(1) names one."""

import base64
import contextlib
import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from botproof.fleet import webhook
from botproof.watch import web
from botproof.watch.proxies import ProxyError, proxy_of
from contract_tests.answering import Answering

pytestmark = pytest.mark.usefixtures("no_proxy_but_the_tests")
TOKEN = "42:AAExampleExampleExampleExampleExample"
API = "https://api.telegram.org"
OUTSIDE = "telegram.example"


@pytest.mark.parametrize(
    ("url", "environment", "variable"),
    [
        (API, {"HTTPS_PROXY": "http://p:3128"}, "HTTPS_PROXY"),
        (API, {"https_proxy": "p:3128", "HTTPS_PROXY": "http://q:1"}, "https_proxy"),
        (API, {"ALL_PROXY": "http://p:3128"}, "ALL_PROXY"),
        (API, {"HTTP_PROXY": "http://p:3128"}, ""),
        ("http://hc.example/x", {"http_proxy": "http://p:3128"}, "http_proxy"),
        (API, {"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "a.b, .telegram.org"}, ""),
        (API, {"HTTPS_PROXY": "http://p:3128", "no_proxy": "*"}, ""),
        (API, {"HTTPS_PROXY": "http://p:3128", "no_proxy": "gram.org"}, "HTTPS_PROXY"),
        (API, {"HTTPS_PROXY": ""}, ""),
        ("http://172.18.0.3:5000/health", {"HTTP_PROXY": "http://p:1", "ALL_PROXY": "p:1"}, ""),
        ("https://127.0.0.1:8081", {"HTTPS_PROXY": "http://p:3128"}, ""),
        ("http://[::1]:8081", {"HTTP_PROXY": "http://p:3128"}, ""),
        ("http://bot-api:8081", {"HTTP_PROXY": "http://p:3128"}, ""),
        ("http://localhost:8081", {"ALL_PROXY": "http://p:3128"}, ""),
    ],
)
def test_what_leads_outside_goes_by_the_proxy_that_is_named(
    url: str, environment: Mapping[str, str], variable: str
) -> None:
    found = proxy_of(url, environment)
    assert ("" if found is None else found.variable) == variable
    if found is not None:
        assert (found.host, found.port) == ("p", 3128)


@pytest.mark.parametrize("value", ["socks5://p:1080", "https://p:443", "http://[nonsense", "://"])
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(value: str) -> None:
    with pytest.raises(ProxyError, match="HTTPS_PROXY"):
        proxy_of(API, {"HTTPS_PROXY": value})


class TunnelProxy(Answering):
    """A proxy of the test's: every CONNECT leads to this authority's server, or is refused."""

    def __init__(self, server: ssl.SSLContext, *, refuses: bool = False) -> None:
        self._server, self._refuses = server, refuses
        self.heads: list[bytes] = []
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://user:pass%20word@127.0.0.1:{listener.getsockname()[1]}"
        super().__init__(listener)

    def answer(self, connection: socket.socket) -> None:
        self.heads.append(_head(connection))
        if not self.heads[-1].startswith(b"CONNECT"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
            return
        if self._refuses:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        # Who only reads the certificate hangs up at once: by an end, or by a reset.
        with (
            contextlib.suppress(ConnectionError, ssl.SSLEOFError),
            self._server.wrap_socket(connection, server_side=True) as safe,
        ):
            head = _head(safe)
            if head:
                body = b'{"ok": true, "result": {"url": ""}}'
                safe.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def _head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(4096)
        if not more:
            break
        head += more
    return head


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    made = trustme.CA()
    trusted = ssl.create_default_context()
    made.configure_trust(trusted)
    monkeypatch.setattr(web, "_contexts", [trusted])
    return made


def context(authority: trustme.CA) -> ssl.SSLContext:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(OUTSIDE).configure_cert(server)
    return server


@pytest.fixture
def proxy(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[TunnelProxy]:
    with TunnelProxy(context(authority)) as proxy:
        for name in ("HTTPS_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url)
        yield proxy


def test_telegram_is_asked_through_the_proxy(proxy: TunnelProxy) -> None:
    """By `botproof drift`, too: it asks in the same way."""
    settings = webhook.settings_of({"TOKEN": TOKEN, "TELEGRAM_URL": f"https://{OUTSIDE}"})
    assert settings is not None
    assert webhook.ask(settings) == {"url": ""}
    [head] = proxy.heads
    assert head.startswith(f"CONNECT {OUTSIDE}:443 ".encode())
    known = base64.b64encode(b"user:pass word").decode()
    assert f"Proxy-Authorization: Basic {known}\r\n".encode() in head
    assert TOKEN.encode() not in head


def test_a_plain_heartbeat_is_asked_of_the_proxy(proxy: TunnelProxy) -> None:
    assert web.ask("http://hc.example/ping?x=1", 5.0).body == b"plain"
    [head] = proxy.heads
    assert head.startswith(b"GET http://hc.example/ping?x=1 HTTP/1.1\r\n")
    assert b"\r\nHost: hc.example\r\n" in head


def test_the_end_of_a_certificate_is_seen_through_the_proxy(proxy: TunnelProxy) -> None:
    days, end = web.days_left(OUTSIDE, 5.0, datetime.now(UTC).timestamp())
    assert days > 1
    assert end.startswith("it ends ")
    assert proxy.heads[0].startswith(f"CONNECT {OUTSIDE}:443 ".encode())


def test_a_proxy_that_refuses_is_named(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TunnelProxy(context(authority), refuses=True) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(web.Unanswered, match=r"407.*by the proxy of https_proxy"):
            web.ask(f"https://{OUTSIDE}/bot{TOKEN}/getMe", 5.0)


def test_the_fleets_own_doors_are_never_asked_by_a_proxy(
    answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers.by_path = {"/health": (200, b"well")}
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the port `discard`
    assert web.ask(f"{answers.url}/health", 5.0).body == b"well"
