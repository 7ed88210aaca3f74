"""The resolver of a run: it knows the doubles' names, refuses every other, and says which.

A bot under test must not reach the real world by accident: an order that is placed, a message that
a real person gets, a verdict that depends on the weather of the Internet. Clients find the world by
name, so the name is where it is refused: at once, in a way that every client understands (the host
does not exist), and with the name in hand, which a closed port would not tell. Addresses
written as figures are no names: those are held back by `address_block.py`. A network namespace
would hold back both, but it would also cut off the harness, the load, and what the target runs
beside itself.

Source: RFC 1035 (4.1, message format), RFC 2308 (a name that does not exist).
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Self, cast

_HEADER = struct.Struct("!6H")
_A, _AAAA = 1, 28
_ANSWER = 0x8180  # a response; recursion was desired and is available
_NO_SUCH_NAME = 3
_TELL = 100  # how often the same name is told of
_TTL_S = 60
_OF_A_CONTAINER = re.compile(r"[0-9a-f]{12}")
"""How Docker names a container that nobody has named: servers in it look for themselves by it."""
_LOOPBACK = "127.0.0.1"


def answer(query: bytes, known: Mapping[str, str], elsewhere: str = "") -> tuple[bytes, str, int]:
    """Return the answer to a DNS query, the name that it asks for, and its type.

    With `elsewhere`, every name that is not `known` is at that address. A container finds itself.

    Raises ValueError for what is no query of one question.
    """
    try:
        number, flags, questions, *_ = _HEADER.unpack_from(query)
        name, end = _name(query, _HEADER.size)
        kind = struct.unpack_from("!H", query, end)[0]
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"no DNS query: {error}") from error
    if flags & 0x8000 or questions != 1:
        raise ValueError("no DNS query of one question")
    question = query[_HEADER.size : end + 4]
    address = known.get(name) or (_LOOPBACK if _OF_A_CONTAINER.fullmatch(name) else elsewhere)
    if not address:
        return _HEADER.pack(number, _ANSWER | _NO_SUCH_NAME, 1, 0, 0, 0) + question, name, kind
    if kind != _A:
        return _HEADER.pack(number, _ANSWER, 1, 0, 0, 0) + question, name, kind
    record = struct.pack("!HHHIH", 0xC00C, _A, 1, _TTL_S, 4) + socket.inet_aton(address)
    return _HEADER.pack(number, _ANSWER, 1, 1, 0, 0) + question + record, name, kind


def _name(query: bytes, at: int) -> tuple[str, int]:
    labels = []
    while length := query[at]:
        if length > 63:
            raise ValueError("a compressed name in a question")
        labels.append(query[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels).lower(), at + 1


class Resolver(asyncio.DatagramProtocol):
    """Answers on one address. `on_unknown` is told of each name that was refused."""

    def __init__(
        self, known: Mapping[str, str], on_unknown: Callable[[str], None], elsewhere: str = ""
    ) -> None:
        self._known = known
        self._elsewhere = elsewhere
        self._on_unknown = on_unknown
        self._warned: Counter[str] = Counter()
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def listen(
        cls,
        address: str,
        known: Mapping[str, str],
        on_unknown: Callable[[str], None],
        port: int = 53,
        elsewhere: str = "",
    ) -> Self:
        """Answer on UDP. Raises OSError when that cannot be bound."""
        made = cls(known, on_unknown, elsewhere)
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: made, local_addr=(address, port)
        )
        return made

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._transport is None:
            raise RuntimeError("the resolver does not listen yet")
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one query; what is none is dropped, as resolvers do."""
        try:
            reply, name, kind = answer(data, self._known, self._elsewhere)
        except ValueError:
            return
        # Clients ask for both kinds of address beside each other: one question, told once.
        its_own = name in self._known or _OF_A_CONTAINER.fullmatch(name)
        if not its_own and kind != _AAAA:
            self._warned[name] += 1
            if self._warned[name] <= _TELL:
                self._on_unknown(name)
        if self._transport is not None:
            self._transport.sendto(reply, addr)

    def close(self) -> None:
        """Answer nothing more."""
        if self._transport is not None:
            self._transport.close()
