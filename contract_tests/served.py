"""Handlers of tests, served from a thread beside them."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from anyio.from_thread import start_blocking_portal

from botproof.doubles.messages import Handler
from botproof.doubles.server import serve


@contextmanager
def served(handler: Handler, *at_end: Callable[[], Awaitable[None]]) -> Iterator[str]:
    """Serve a handler until the block is left, then call ``at_end`` in its thread; give the URL."""
    with start_blocking_portal() as portal:
        server = portal.call(serve, handler)
        yield server.url
        for end in (server.close, *at_end):
            portal.call(end)
