"""The event loop of the process: asyncio's own, but that no look-up of a name holds up its end.

asyncio looks names up in threads that it waits for when it ends, and so does the interpreter. A
resolver that does not answer is asked for ten seconds and more (resolv.conf(5): five seconds,
twice, each server): the process would end long after it had said so, or be killed.
"""

import asyncio
import contextlib
import socket
import threading
from typing import Any, Final

_AT_ONCE: Final = 16
"""Look-ups under way; a resolver that does not answer is to cost no more threads than that."""


class QuickEndLoop(asyncio.SelectorEventLoop):
    """Looks names up in threads that nobody waits for at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the signature is asyncio's
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Return what `socket.getaddrinfo` does. Raises OSError."""
        await self._places.acquire()
        answer: asyncio.Future[list[Any]] = self.create_future()

        def settle(found: list[Any], error: Exception | None) -> None:
            self._places.release()
            if answer.done():  # whoever asked has gone
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def look_up() -> None:
            found: list[Any] = []
            failed: Exception | None = None
            try:
                found = socket.getaddrinfo(host, port, family, type, proto, flags)
            except Exception as error:  # whatever it is, it is for whoever asked
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                self.call_soon_threadsafe(settle, found, failed)

        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        return await answer
