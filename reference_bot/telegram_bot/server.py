"""The HTTP listeners of the process: /health, /ready, /metrics, and in webhook mode /webhook."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Generator, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from reference_bot.edge import BACKLOG, Gate, GatedServer, gated_config, places, refused_host
from reference_bot.telegram_bot.connection import QuickConnection
from reference_bot.telegram_bot.health import Readiness
from reference_bot.telegram_bot.metrics import Metrics

_GRACE_SECONDS = 2

_log = logging.getLogger(__name__)


class CannotListenError(Exception):
    """The address is taken or not ours."""


class _Server(GatedServer):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # the signals are the bot's: it stops this listener last


def routes(readiness: Readiness, metrics: Metrics) -> list[Route]:
    """Return the endpoints that both modes have."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_: Request) -> Response:
        reasons = readiness.reasons()
        if reasons:
            status = "standing by" if readiness.is_standing_by() else "not ready"
            return JSONResponse({"status": status, "reasons": reasons}, status_code=503)
        return JSONResponse({"status": "ready"})

    async def figures(_: Request) -> Response:
        metrics.ready.set(0 if readiness.reasons() else 1)
        return Response(metrics.text(), media_type=metrics.content_type)

    return [Route("/health", health), Route("/ready", ready), Route("/metrics", figures)]


class Entrance:
    """Leads to ``webhook``; elsewhere only what is meant for this bot by its Host.

    ``/webhook`` has a lock of its own, its secret, and proxies call it by many names.
    """

    def __init__(self, app: ASGIApp, webhook: ASGIApp | None, names: frozenset[str]) -> None:
        self._app = app
        self._webhook = webhook or app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 421."""
        answer: ASGIApp = self._app
        if scope["path"] == "/webhook":
            answer = self._webhook
        else:
            host = refused_host(scope, self._names)
            if host is not None:
                reason = f"the Host {host!r} is not this bot's: see ALLOWED_HOSTS"
                answer = JSONResponse({"ok": False, "error": reason}, status_code=421)
        await answer(scope, receive, send)


class Listener:
    """Serves ``all_routes`` and ``webhook`` on ``host:port``.

    Port 0 takes any free one, see ``port``.
    ``share``: of the connections that the process can have, how many are this one's.
    """

    def __init__(
        self,
        host: str,
        port: int,
        all_routes: Sequence[Route],
        *,
        webhook: ASGIApp | None = None,
        allowed_hosts: frozenset[str] = frozenset(),
        share: float = 1.0,
    ) -> None:
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        gate = Gate(places(share))
        config = gated_config(
            Entrance(Starlette(routes=list(all_routes)), webhook, allowed_hosts),
            gate,
            connection=QuickConnection,
            lifespan="off",
            proxy_headers=False,  # nobody here looks at them
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self._server = _Server(config, gate)
        self.serving: asyncio.Task[None] | None = None
        """Ends only after `stop`."""

    async def start(self, event: str = "listening") -> None:
        """Listen from now on; the log says where."""
        self._socket.listen(BACKLOG)
        self.serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        _log.info(event, extra={"port": self.port})

    async def stop(self) -> None:
        """Finish the requests that run, and close."""
        self._server.should_exit = True
        if self.serving is not None:
            await asyncio.wait({self.serving})
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
