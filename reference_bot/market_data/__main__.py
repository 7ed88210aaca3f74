"""``python -m reference_bot.market_data``: the service as a process.

Exit codes: 0 after SIGTERM or SIGINT, 1 when the address cannot be bound, 2 when settings are
wrong.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import sys
from types import FrameType

from reference_bot.market_data.slim import built_when_used, give_back_memory  # isort: skip - before any httpx
from reference_bot.market_data.logs import configure, event
from reference_bot.market_data.settings import Settings, SettingsError, load

_DRAIN_SECONDS = 5
log = logging.getLogger("reference_bot.market_data")


def main() -> int:
    """Run until told to stop."""
    try:
        settings = load()
    except SettingsError as error:
        for problem in error.problems:
            print(f"market-data: {problem}", file=sys.stderr)
        return 2
    configure(settings.log_level)
    try:
        listener = _listen(settings.market_data_host, settings.market_data_port)
    except OSError as error:
        event(
            log,
            "cannot listen",
            logging.ERROR,
            host=settings.market_data_host,
            port=settings.market_data_port,
            error=str(error),
        )
        return 1
    with listener:
        _serve(settings, listener)
    event(log, "stopped")
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named TCP: or else asyncio leaves Nagle's algorithm on, and answers wait 40 ms for an ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _serve(settings: Settings, listener: socket.socket) -> None:
    # imported once the settings are known to be right: a mistake in them is told at once
    with built_when_used():
        import fastapi  # noqa: F401, PLC0415 - see above, and its models of OpenAPI wait
    from reference_bot.edge import (  # noqa: PLC0415 - see above
        Gate,
        GatedServer,
        gated_config,
        host_names,
        places,
    )
    from reference_bot.loop import QuickEndLoop  # noqa: PLC0415 - see above
    from reference_bot.market_data.access_policy import AccessPolicy, is_loopback  # noqa: PLC0415 - see above
    from reference_bot.market_data.app import make_app  # noqa: PLC0415 - see above
    from reference_bot.market_data.metrics import Metrics  # noqa: PLC0415 - see above
    from reference_bot.market_data.wiring import open_api  # noqa: PLC0415 - see above

    class Server(GatedServer):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            host, port = listener.getsockname()[:2]
            event(log, "listening", host=host, port=port, exchanges=settings.exchanges)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature
            # uvicorn's own would raise the signal again at the end: the exit code is to be 0
            self.force_exit = self.should_exit
            self.should_exit = True

    metrics = Metrics()
    token = settings.market_data_token
    policy = AccessPolicy(
        host_names(settings.market_data_allowed_hosts),
        token.get_secret_value() if token is not None else "",
        is_loopback(settings.market_data_host),
    )
    opened = functools.partial(open_api, settings, metrics, when_warm=give_back_memory)
    app = make_app(opened, policy)
    gate = Gate(places())
    config = gated_config(app, gate, timeout_graceful_shutdown=_DRAIN_SECONDS)
    server = Server(config, gate)
    with asyncio.Runner(loop_factory=QuickEndLoop) as runner:
        runner.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    sys.exit(main())
