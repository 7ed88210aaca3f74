"""The Telegram double: the machine of the Bot API behind real sockets, with a hand on its faults.

What a bot sees is `/bot<token>/<method>` and `/file/bot<token>/<path>`; the control interface is
under `/_double` (see `control`).
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from botproof.doubles.kit.pages import refuse_strange_page
from botproof.doubles.kit.transcript import TRANSCRIPT_BYTES
from botproof.doubles.messages import AnyResponse, Handler, Request
from botproof.doubles.server import Server, serve
from botproof.doubles.telegram import control, page
from botproof.doubles.telegram.context import Settings
from botproof.doubles.telegram.double import Double, not_found

if TYPE_CHECKING:
    from botproof.doubles.telegram.wire import Wire


class TelegramDouble(Double):
    """One double; `handle` is the handler for `botproof.doubles.server`."""

    def handle(self, request: Request) -> AnyResponse | Awaitable[AnyResponse]:
        """Answer one request, as `botproof.doubles.server` asks for it."""
        path = request.path
        if path.startswith("/bot"):
            return self.api(request, path)
        if page.is_for_page(path):
            return refuse_strange_page(request) or page.answer(self, request)
        if path.startswith("/_double"):
            return control.answer(self, request)
        if path.startswith("/file/bot"):
            return self.download(path)
        return not_found()


class RunningDouble:
    """A double and its server; made by `start`."""

    __slots__ = ("double", "server")

    def __init__(self, double: TelegramDouble, server: Server) -> None:
        self.double = double
        self.server = server

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.server.url

    async def close(self) -> None:
        """Stop listening and delivering."""
        await self.server.close()
        await self.double.close()


async def start(
    settings: Settings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    transcript_bytes: int = TRANSCRIPT_BYTES,
    webhook_tls: ssl.SSLContext | None = None,
    wires: Sequence[Wire] = (),
) -> RunningDouble:
    """Return a double that listens on `host`:`port` (0: any free port), behind `wires` if there are
    any.

    OSError when it cannot listen.
    """
    double = TelegramDouble(settings, transcript_bytes=transcript_bytes, webhook_tls=webhook_tls)
    handler: Handler = double.handle
    if wires:
        from botproof.doubles.telegram.wire import Wires  # noqa: PLC0415 - for defects only

        double.wires = Wires(wires, double.handle, double.has_webhook, double.transcript.add)
        handler = double.wires.handle
    server = await serve(
        handler,
        host=host,
        port=port,
        ssl=tls,
        on_failure=double.transcript.note_failure,
        on_distrust=double.transcript.note_distrust,
    )
    return RunningDouble(double, server)
