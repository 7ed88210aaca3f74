"""What keeps the service small and quick: nothing imported in vain, no answer held back."""

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from typing import Any

import httpx
import pytest
import trustme

from reference_bot.market_data import __main__ as market_data
from reference_bot.market_data.http import make_pool
from reference_bot.market_data.slim import without
from reference_bot.telegram_bot import server as telegram_bot

pytestmark = pytest.mark.anyio

_STARTED = """
import json, sys
import reference_bot.market_data.__main__, uvicorn
from reference_bot.market_data import app, metrics, wiring
made = app.make_app(lambda: None)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules} | set(sys.modules))))
"""


def test_what_the_service_never_runs_is_not_imported(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _STARTED], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    imported = set(json.loads(done.stdout))
    assert {"fastapi", "httpx", "pydantic"} <= imported  # or else this would show nothing
    assert not imported & {"pydantic.v1", "pydantic_settings", "rich", "pygments", "uvloop", "ccxt"}


def test_a_module_is_kept_away_for_a_while_only():
    sys.modules.pop("this", None)
    with without("this"), pytest.raises(ImportError):
        import this  # noqa: F401, PLC0415 - the import is what is tested
    assert "this" not in sys.modules
    with without("json"):  # imported already: left alone
        import json as same  # noqa: PLC0415 - as above
    assert same is json


_DESCRIBED = """
import json, sys, types
import reference_bot.market_data.slim as slim
if sys.argv[1] == "deferred":
    with slim.built_when_used():
        import fastapi
from fastapi.openapi.models import PathItem
from reference_bot.market_data import app, metrics, requests
made = app.make_app(lambda: None)
models = PathItem, requests.PriceRequest
built = [type(one.__pydantic_validator__).__name__ == "SchemaValidator" for one in models]
made.state.api = types.SimpleNamespace(service=types.SimpleNamespace(by_name={}))
print(json.dumps({"built": built, "description": made.openapi()}))
"""


def test_openapis_models_are_built_for_who_asks(tmp_path):
    told = {}
    for how in ("deferred", "at once"):
        command = [sys.executable, "-c", _DESCRIBED, how]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        told[how] = json.loads(done.stdout)
    assert told["deferred"]["built"] == [False, True]
    assert told["at once"]["built"] == [True, True]
    assert told["deferred"]["description"] == told["at once"]["description"]


# -- certificates ----------------------------------------------------------------------------------


async def _ask_over_tls(authority: trustme.CA) -> int:
    """Ask a server with a certificate of this authority; the status."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server, make_pool() as pool:
        return (await pool.get(f"https://localhost:{port}/")).status_code


@pytest.fixture
def authority(tmp_path, monkeypatch) -> trustme.CA:
    """An authority, and a machine without folder and file of certificates."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    return trustme.CA()


async def test_the_systems_authorities_are_trusted(authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(str(tmp_path / "system.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    assert await _ask_over_tls(authority) == 204


async def test_without_any_the_bundled_ones_are_trusted_and_nobody_else(authority, monkeypatch):
    bundled = []
    make = httpx.create_ssl_context

    def made(**how: Any) -> ssl.SSLContext:
        bundled.append(how)
        return make(**how)

    monkeypatch.setattr(httpx, "create_ssl_context", made)
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        await _ask_over_tls(authority)
    assert bundled


# -- answers at once -------------------------------------------------------------------------------


@pytest.mark.parametrize("listen", [market_data._listen, telegram_bot._bind])
async def test_no_answer_waits_for_an_acknowledgement(listen):
    """asyncio turns Nagle's algorithm off only where the listener says that it is TCP."""
    delayed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        delayed.set_result(not accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listen("127.0.0.1", 0) as listener:
        async with await asyncio.start_server(accept, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            is_delayed = await delayed
            writer.close()
            await writer.wait_closed()
    assert not is_delayed
