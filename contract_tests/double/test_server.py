"""The server under both doubles, on real sockets: HTTP/1.1 as spoken, and faults on demand."""

import asyncio
import gc
import http.client
import importlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme

from botproof.doubles.messages import Request, Response, Stream, Transport, json_response
from botproof.doubles.server import Server, serve

pytestmark = pytest.mark.anyio


async def echo(request: Request) -> Response:
    return json_response(
        {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "body": request.body.decode(),
            "x": request.headers.get("x-mark"),
        }
    )


async def talk(server: Server, data: bytes, *, until: int = -1) -> bytes:
    """What comes back for `data` until the server closes, or until `until` bytes are here."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(data)
        await writer.drain()
        return await (reader.read() if until < 0 else reader.readexactly(until))
    finally:
        writer.close()
        await writer.wait_closed()


def split(answer: bytes) -> tuple[bytes, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


async def test_path_query_headers_and_body_arrive_decoded() -> None:
    async with await serve(echo) as server:
        answer = await talk(
            server,
            b"POST /a%20b?x=1&x=2&y=%C3%BC HTTP/1.1\r\nHost: h\r\nX-Mark: m\r\n"
            b"Connection: close\r\nContent-Length: 4\r\n\r\nbody",
        )
    head, body = split(answer)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(body) == {
        "method": "POST",
        "path": "/a b",
        "query": {"x": "1", "y": "ü"},
        "body": "body",
        "x": "m",
    }


async def test_a_chunked_body_is_put_together() -> None:
    async with await serve(echo) as server:
        answer = await talk(
            server,
            b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
        )
    assert json.loads(split(answer)[1])["body"] == "abcdefg"


async def test_pipelined_requests_are_answered_in_order_though_the_first_takes_longer() -> None:
    second_arrived = asyncio.Event()

    async def slow_first(request: Request) -> Response:
        if request.path == "/first":
            await second_arrived.wait()
        return Response(body=request.path.encode())

    async with await serve(slow_first) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n")
        writer.write(b"GET /second HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        await writer.drain()
        second_arrived.set()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.index(b"/first") < answer.index(b"/second")


async def test_more_pipelined_requests_than_the_limit_all_get_an_answer() -> None:
    async def count(request: Request) -> Response:
        await asyncio.sleep(0)
        return Response(body=request.path.encode())

    requests = b"".join(b"GET /%03d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(300))
    last = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    async with await serve(count) as server:
        answer = await talk(server, requests + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 301
    assert answer.endswith(b"/last")


async def test_a_plain_function_is_a_handler_too() -> None:
    def plain(request: Request) -> Response:
        return Response(body=request.path.encode())

    async with await serve(plain) as server:
        answer = await talk(server, b"GET /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert split(answer)[1] == b"/p"


async def test_head_gets_the_headers_of_get_and_no_body() -> None:
    async with await serve(lambda _: Response(body=b"12345")) as server:
        answer = await talk(server, b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    head, body = split(answer)
    assert b"Content-Length: 5" in head
    assert body == b""


async def test_expect_100_continue_is_told_to_go_on() -> None:
    async with await serve(echo) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(
            b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
            b"Connection: close\r\nContent-Length: 2\r\n\r\n"
        )
        await writer.drain()
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ok")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert json.loads(split(answer)[1])["body"] == "ok"


@pytest.mark.parametrize(
    ("data", "status", "says"),
    [
        (b"nonsense\r\n\r\n", b"400 Bad Request", "malformed HTTP"),
        (b"GET / HTTP/1.1\r\nHost h\r\n\r\n", b"400 Bad Request", "malformed HTTP"),
        (b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n", b"413 ", "11 bytes; at most 10"),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n",
            b"413 ",
            "10",
        ),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", b"431 ", "65536 bytes"),
    ],
)
async def test_what_cannot_be_understood_is_refused_and_says_why(
    data: bytes, status: bytes, says: str
) -> None:
    async with await serve(echo, max_body=10) as server:
        answer = await talk(server, data)
    head, body = split(answer)
    assert head.startswith(b"HTTP/1.1 " + status)
    assert says in json.loads(body)["description"]


async def test_malformed_input_behind_a_good_request_does_not_spoil_its_answer() -> None:
    async with await serve(echo) as server:
        answer = await talk(server, b"GET /good HTTP/1.1\r\nHost: h\r\n\r\nrubbish\r\n\r\n")
    assert answer.index(b"/good") < answer.index(b"400 Bad Request")


async def test_a_handler_that_fails_is_a_500_that_names_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_: Request) -> Response:
        raise LookupError("no such thing")

    async with await serve(broken) as server:
        answer = await talk(server, b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert "GET /x: LookupError: no such thing" in json.loads(split(answer)[1])["description"]
    assert "handler failed" in caplog.text


async def test_reset_is_a_connection_reset_for_the_client() -> None:
    async with await serve(lambda _: Response(transport=Transport.RESET)) as server:
        with pytest.raises(ConnectionResetError):
            await talk(server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")


async def test_half_body_promises_more_than_it_sends() -> None:
    answer = Response(body=b"0123456789", transport=Transport.HALF_BODY)
    async with await serve(lambda _: answer) as server:
        head, body = split(await talk(server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
    assert b"Content-Length: 10" in head
    assert body == b"01234"


async def test_silent_never_answers_until_the_server_goes() -> None:
    asked = asyncio.Event()

    def silent(_: Request) -> Response:
        asked.set()
        return Response(transport=Transport.SILENT)

    server = await serve(silent)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await asked.wait()
    reading = asyncio.ensure_future(reader.read())
    await asyncio.sleep(0)
    assert not reading.done()
    await server.close()
    assert await reading == b""
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_leaves_ends_its_handler() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def waits(_: Request) -> Response:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Response()

    async with await serve(waits) as server:
        _, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await started.wait()
        writer.close()
        await writer.wait_closed()
        await cancelled.wait()


async def test_a_stream_sends_as_it_goes_and_ends_when_the_client_leaves() -> None:
    ended = asyncio.Event()

    async def ticks() -> AsyncIterator[bytes]:
        try:
            yield b"data: 1\n\n"
            yield b"data: 2\n\n"
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with await serve(lambda _: Stream(ticks())) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"data: 2\n\n")
        writer.close()
        await writer.wait_closed()
        await ended.wait()
    assert b"text/event-stream" in head
    assert b"Transfer-Encoding: chunked" in head


async def test_the_announced_port_is_open_and_closed_after_close() -> None:
    server = await serve(echo)
    assert server.url == f"http://127.0.0.1:{server.port}"
    await talk(server, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    await server.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(server.host, server.port)


async def test_a_port_in_use_is_an_oserror() -> None:
    async with await serve(echo) as server:
        with pytest.raises(OSError, match=rf"in use \(127.0.0.1 port {server.port}\)"):
            await serve(echo, port=server.port)
    with pytest.raises(OSError, match="port 65536"):
        await serve(echo, port=65_536)


@pytest.fixture
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    return server_side, client_side


async def test_tls(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server_side, client_side = tls

    def ask(port: int) -> bytes:
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=client_side, timeout=60)
        try:
            connection.request("POST", "/tls", body=b"over TLS")
            return connection.getresponse().read()
        finally:
            connection.close()

    async with await serve(echo, ssl=server_side) as server:
        assert server.url.startswith("https://")
        body = await asyncio.to_thread(ask, server.port)
    assert json.loads(body)["body"] == "over TLS"


async def test_reset_over_tls(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server_side, client_side = tls
    async with await serve(
        lambda _: Response(transport=Transport.RESET), ssl=server_side
    ) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port, ssl=client_side)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        with pytest.raises((ConnectionResetError, ssl.SSLError)):
            await writer.wait_closed()


def test_it_runs_on_uvloop_alike(need: Callable[..., None]) -> None:
    """The faults reach into the socket: tried on the loop that production uses of it."""
    need(module="uvloop")
    uvloop = importlib.import_module("uvloop")
    outcome: list[object] = []

    async def scenario() -> None:
        kinds = {"/reset": Transport.RESET, "/half": Transport.HALF_BODY}

        def faulty(request: Request) -> Response:
            return Response(body=b"0123456789", transport=kinds[request.path])

        async with await serve(faulty) as server:
            half = await talk(server, b"GET /half HTTP/1.1\r\nHost: h\r\n\r\n")
            outcome.append(split(half)[1])
            try:
                outcome.append(await talk(server, b"GET /reset HTTP/1.1\r\nHost: h\r\n\r\n"))
            except ConnectionResetError:
                outcome.append("reset")

    thread = threading.Thread(target=lambda: uvloop.run(scenario()))
    thread.start()
    thread.join()
    assert outcome == [b"01234", "reset"]


# -- as a process ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_double_announces_itself_and_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "botproof.doubles.telegram.cli", "--seed", "4", "--no-flood"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert line["event"] == "listening"
        assert line["control"] == f"{line['url']}/_double"
        connection = http.client.HTTPConnection("127.0.0.1", int(line["url"].rpartition(":")[2]))
        connection.request("GET", "/_double/health")
        assert json.loads(connection.getresponse().read())["ok"] is True
        connection.close()
        process.send_signal(number)
        assert process.wait(timeout=60) == 0
        assert process.stdout.read() == ""


async def test_a_port_that_is_taken_is_said_and_is_exit_code_1(tmp_path: Path) -> None:
    async with await serve(echo) as server:
        command = [
            sys.executable,
            "-m",
            "botproof.doubles.telegram.cli",
            "--port",
            f"{server.port}",
        ]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert b"cannot listen" in err


@pytest.mark.parametrize("turns", range(8))
def test_a_connection_that_was_just_accepted_is_dropped_too(turns: int) -> None:
    """So many turns of the loop after a client has connected, the server is closed."""

    async def accept_and_close() -> None:
        server = await serve(lambda _: json_response({}))
        with socket.create_connection(("127.0.0.1", server.port), 60):
            for _ in range(turns):
                await asyncio.sleep(0)
            await server.close()

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asyncio.run(accept_and_close())
        gc.collect()
    assert [str(warning.message) for warning in said] == []
