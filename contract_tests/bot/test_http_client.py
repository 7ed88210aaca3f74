"""The HTTP client: what came, and when nothing came, whether the server can have acted."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from botproof.doubles.messages import Request, Response, Transport, json_response
from botproof.doubles.server import serve
from reference_bot.telegram_bot.http_client import HttpClient, NoAnswerError, NotSentError

pytestmark = pytest.mark.anyio

Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def raw_server() -> AsyncIterator[Callable[[Raw], Awaitable[str]]]:
    """Starts a server that does to a connection what the test says."""
    servers: list[asyncio.Server] = []

    async def start(handle: Raw) -> str:
        async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await handle(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(closing, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


def answering(*chunks: bytes) -> Raw:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()

    return handle


async def test_requests_share_kept_alive_connections() -> None:
    seen: list[Request] = []
    at_once: list[int] = [0, 0]  # now, at the most

    async def handler(request: Request) -> Response:
        seen.append(request)
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0)
        at_once[0] -= 1
        return json_response({"path": request.path, "body": request.body.decode()})

    server = await serve(handler)
    client = HttpClient(f"{server.url}/base/", max_connections=3)
    answers = await asyncio.gather(
        *(client.request("POST", f"/p{n}", b"b%d" % n, timeout=60) for n in range(30))
    )
    assert [a.body for a in answers] == [
        b'{"path":"/base/p%d","body":"b%d"}' % (n, n) for n in range(30)
    ]
    assert at_once[1] <= 3
    assert seen[0].headers["content-type"] == "application/json"
    await client.close()
    await server.close()


@pytest.mark.parametrize(
    "chunks",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",),
        (b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 5\r\n\r\nhe", b"llo"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhel", b"lo"),  # to the connection's end
        (b"HTTP/1.0 200 OK\r\n\r\nhello",),
    ],
)
async def test_an_answer_in_any_framing(
    raw_server: Callable[[Raw], Awaitable[str]], chunks: tuple[bytes, ...]
) -> None:
    client = HttpClient(await raw_server(answering(*chunks)))
    answer = await client.request("GET", "/", timeout=60)
    assert (answer.status, answer.body) == (200, b"hello")
    await client.close()


async def test_nobody_listens_means_not_sent() -> None:
    client = HttpClient("http://127.0.0.1:9")
    with pytest.raises(NotSentError, match="cannot connect"):
        await client.request("GET", "/", timeout=60)
    await client.close()


async def test_no_free_connection_in_time_means_not_sent() -> None:
    taken = asyncio.Event()

    async def never(_: Request) -> Response:
        taken.set()
        return Response(transport=Transport.SILENT)

    server = await serve(never)
    client = HttpClient(server.url, max_connections=1)
    first = asyncio.create_task(client.request("GET", "/", timeout=60))
    await taken.wait()
    with pytest.raises(NotSentError, match="not connected in"):
        await client.request("GET", "/", timeout=0.1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await client.close()
    await server.close()


@pytest.mark.parametrize(
    ("transport", "seconds"),
    [(Transport.RESET, 60), (Transport.SILENT, 1.0), (Transport.HALF_BODY, 60)],
)
async def test_a_request_that_went_out_without_a_whole_answer(
    transport: Transport, seconds: float
) -> None:
    async def broken(request: Request) -> Response:
        if request.path == "/first":
            return json_response("ok")
        return Response(body=b"x" * 100, transport=transport)

    server = await serve(broken)
    client = HttpClient(server.url)
    await client.request("GET", "/first", timeout=60)  # a second is not spent on connecting
    with pytest.raises(NoAnswerError):
        await client.request("GET", "/", timeout=seconds)
    await client.close()
    await server.close()


async def test_what_is_no_http_is_no_answer(
    raw_server: Callable[[Raw], Awaitable[str]],
) -> None:
    client = HttpClient(await raw_server(answering(b"SSH-2.0-OpenSSH\r\n")))
    with pytest.raises(NoAnswerError, match="not HTTP") as caught:
        await client.request("GET", "/botTOKEN/getMe", timeout=60)
    assert "TOKEN" not in str(caught.value)
    await client.close()


async def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    given_up = asyncio.Event()

    async def handler(request: Request) -> Response:
        if request.path == "/late":
            await given_up.wait()
        return json_response(request.path)

    server = await serve(handler)
    client = HttpClient(server.url, max_connections=1)
    await client.request("GET", "/first", timeout=60)  # a second is not spent on connecting
    with pytest.raises(NoAnswerError):
        await client.request("GET", "/late", timeout=1.0)
    given_up.set()
    answer = await client.request("GET", "/next", timeout=60)
    assert answer.body == b'"/next"'
    await client.close()
    await server.close()


async def test_one_idle_connection_that_was_cut_off_takes_the_others_along(
    raw_server: Callable[[Raw], Awaitable[str]],
) -> None:
    """A router that has forgotten them all: each would lose a message, three seconds apart."""
    idle = 3
    all_there = asyncio.Barrier(idle)
    cut_off = asyncio.Event()
    made = 0

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal made
        made += 1
        forgotten = made <= idle
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                if forgotten:
                    await all_there.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                if forgotten:
                    await cut_off.wait()
                    return

    client = HttpClient(await raw_server(answers))
    await asyncio.gather(*(client.request("POST", "/", timeout=60) for _ in range(idle)))
    on_its_way = asyncio.create_task(client.request("POST", "/", timeout=60))
    with pytest.raises(NoAnswerError):
        await client.request("POST", "/", timeout=0.5)
    assert (await client.request("POST", "/", timeout=60)).body == b"ok"
    assert made == idle + 1
    assert not on_its_way.done()  # it is let come to its own end
    cut_off.set()
    with pytest.raises(NoAnswerError):
        await on_its_way
    assert (await client.request("POST", "/", timeout=60)).body == b"ok"
    assert made == idle + 1  # and that casts no doubt on a connection made since
    await client.close()


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(
    raw_server: Callable[[Raw], Awaitable[str]],
) -> None:
    async def answers_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray")
        await reader.read()

    client = HttpClient(await raw_server(answers_twice), max_connections=1)
    for _ in range(3):
        assert (await client.request("POST", "/", timeout=60)).body == b"own"
    await client.close()


async def test_an_answer_without_end_is_given_up(
    raw_server: Callable[[Raw], Awaitable[str]],
) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * (1 << 20))
                await writer.drain()

    client = HttpClient(await raw_server(endless))
    with pytest.raises(NoAnswerError, match="over 33554432 bytes"):
        await client.request("GET", "/", timeout=60)
    await client.close()


async def test_an_address_that_does_not_answer_holds_up_no_other_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host whose way by IPv6 leads nowhere, as many have."""
    with socket.create_server(("127.0.0.2", 0), backlog=0) as full, contextlib.ExitStack() as held:
        port = full.getsockname()[1]
        for _ in range(4):  # more than its queue holds: whoever comes next gets no answer
            one = held.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.2", port))

        def resolve(host: Any, *_: Any, **__: Any) -> Any:
            assert host == "service.test"
            kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(*kind, (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

        async with await asyncio.start_server(saying(b"yes"), "127.0.0.1", port):
            monkeypatch.setattr(socket, "getaddrinfo", resolve)
            client = HttpClient(f"http://service.test:{port}")
            assert (await client.request("POST", "/", timeout=60.0)).body == b"yes"
            await client.close()


async def test_https_trusts_the_bundle_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(_: Request) -> Response:
        return json_response("secret")

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = await serve(handler, host="localhost", ssl=context)
    stranger = HttpClient(f"https://localhost:{server.port}")
    with pytest.raises(NotSentError, match="cannot connect"):
        await stranger.request("GET", "/", timeout=60)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    client = HttpClient(f"https://localhost:{server.port}")
    assert (await client.request("GET", "/", timeout=60)).body == b'"secret"'
    await stranger.close()
    await client.close()
    await server.close()


async def test_whom_the_host_trusts_may_be_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(_: Request) -> Response:
        return json_response("secret")

    old, new = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    new.issue_cert("localhost").configure_cert(context)
    server = await serve(handler, host="localhost", ssl=context)
    bundle = tmp_path / "ca.pem"
    old.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    client = HttpClient(f"https://localhost:{server.port}")
    with pytest.raises(NotSentError, match="cannot connect"):
        await client.request("GET", "/", timeout=60)
    new.cert_pem.write_to_path(str(bundle))
    with pytest.raises(NotSentError, match="cannot connect"):
        await client.request("GET", "/", timeout=60)  # after it, the bundle is read again
    assert (await client.request("GET", "/", timeout=60)).body == b'"secret"'
    await client.close()
    await server.close()


async def test_no_connection_is_used_until_telegram_closes_it(
    raw_server: Callable[[Raw], Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does so 39 seconds after it was opened, whatever is under way."""
    connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    client = HttpClient(await raw_server(handle))
    loop = asyncio.get_running_loop()
    began, opened = loop.time(), []
    for later in (0.0, 14.0, 28.0, 42.0):  # never idle for long
        monkeypatch.setattr(loop, "time", lambda later=later: began + later)
        await client.request("GET", "/", timeout=60)
        opened.append(connections)
    assert opened == [1, 1, 1, 2]
    monkeypatch.undo()
    await client.close()


async def test_a_server_that_closes_after_each_answer(
    raw_server: Callable[[Raw], Awaitable[str]],
) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    client = HttpClient(await raw_server(answering(whole)))
    for _ in range(5):
        assert (await client.request("GET", "/", timeout=60)).body == b"ok"
    await client.close()


def saying(word: bytes) -> Raw:
    """A server that answers one request of a connection with three letters, and closes it."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(head + word)(reader, writer)
        writer.close()

    return handle


async def test_a_name_that_leads_elsewhere_now_is_followed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A container that is replaced takes its address along; the name stays."""
    look_up, leads_to = socket.getaddrinfo, ["127.0.0.1"]

    def resolve(host: Any, *more: Any, **named: Any) -> Any:
        return look_up(leads_to[0] if host == "service.test" else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    old = await asyncio.start_server(saying(b"old"), "127.0.0.1", 0)
    port = old.sockets[0].getsockname()[1]
    client = HttpClient(f"http://service.test:{port}")
    try:
        assert (await client.request("POST", "/", timeout=60.0)).body == b"old"
        old.close()
        await old.wait_closed()
        leads_to[0] = "127.0.0.2"
        async with await asyncio.start_server(saying(b"new"), "127.0.0.2", port):
            assert (await client.request("POST", "/", timeout=60.0)).body == b"new"
    finally:
        await client.close()
