"""The one HTTP listener of the process: /health, /ready, /metrics, and in webhook mode /webhook."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Generator, Sequence
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reference_bot.telegram_bot.health import Readiness
from reference_bot.telegram_bot.metrics import CONTENT_TYPE, Metrics

_BACKLOG: Final = 1024
_GRACE_SECONDS: Final = 2

_log = logging.getLogger(__name__)


class CannotListenError(Exception):
    """The address is taken or not ours."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # the signals are the bot's: it stops this listener last


def routes(readiness: Readiness, metrics: Metrics) -> list[Route]:
    """The endpoints that both modes have."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_: Request) -> Response:
        reasons = readiness.reasons()
        if reasons:
            return JSONResponse({"status": "not ready", "reasons": reasons}, status_code=503)
        return JSONResponse({"status": "ready"})

    async def figures(_: Request) -> Response:
        metrics.ready.set(0 if readiness.reasons() else 1)
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return [Route("/health", health), Route("/ready", ready), Route("/metrics", figures)]


class Listener:
    """Serves ``routes`` on ``host:port``; port 0 takes any free one, see ``port``."""

    def __init__(self, host: str, port: int, all_routes: Sequence[Route]) -> None:
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            Starlette(routes=list(all_routes)),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens from now on; the log says where."""
        self._socket.listen(_BACKLOG)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        _log.info("listening", extra={"port": self.port})

    async def stop(self) -> None:
        """Finishes the requests that run, and closes."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named TCP: or else asyncio leaves Nagle's algorithm on, and answers wait 40 ms for an ACK
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise CannotListenError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return bound
