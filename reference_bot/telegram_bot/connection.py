"""A connection of the bot's listener, whose requests are read in C, by httptools.

Telegram brings each update in a request of its own: with h11, in Python, reading and answering one
costs more than all that the door does with it (docs/benchmarks.md). Anybody can call the door, so
what h11 limits is limited here: httptools itself takes a head of any size.
"""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reference_bot.edge import Watched

_MOST_AROUND: Final = 64 * 1024
"""Bytes of a request beside its body: the address, headers, and the frames of chunks."""
_MOST_HEADERS: Final = 200
_MOST_AHEAD: Final = 32
"""Requests that are sent before the answer to the first one. Telegram and proxies send none."""


class TooMuchError(Exception):
    """Nobody needs so much of it; httptools makes a wrong request of it, which gets 400."""


class QuickConnection(Watched, HttpToolsProtocol):
    """uvicorn's connection on httptools, within limits."""

    _around = 0

    def data_received(self, data: bytes) -> None:
        self._around += len(data)
        super().data_received(data)
        if self._around > _MOST_AROUND and not self.transport.is_closing():
            self.send_400_response(f"A request has at most {_MOST_AROUND} bytes beside its body.")

    def on_message_begin(self) -> None:
        self._around = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= _MOST_HEADERS:
            raise TooMuchError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= _MOST_AHEAD:
            raise TooMuchError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._around -= len(body)
        super().on_body(body)
