"""The resolver of a run: doubles' names, and a refusal with the name in hand for every other."""

import asyncio
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof.targets.resolver import Resolver, answer

KNOWN = {"api.binance.com": "127.64.1.2"}


def query(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", 77, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, 1)


def test_a_known_host_has_its_address() -> None:
    reply, name, kind = answer(query("API.binance.com"), KNOWN)
    assert (name, kind) == ("api.binance.com", 1)
    assert struct.unpack_from("!6H", reply) == (77, 0x8180, 1, 1, 0, 0)
    assert reply.endswith(socket.inet_aton("127.64.1.2"))


def test_a_known_host_has_no_address_of_another_kind_and_exists() -> None:
    reply, _, _ = answer(query("api.binance.com", 28), KNOWN)
    assert struct.unpack_from("!6H", reply) == (77, 0x8180, 1, 0, 0, 0)


def test_every_other_host_does_not_exist() -> None:
    reply, name, _ = answer(query("api.coingecko.com"), KNOWN)
    assert name == "api.coingecko.com"
    assert struct.unpack_from("!6H", reply) == (77, 0x8183, 1, 0, 0, 0)


@given(st.binary(max_size=80))
def test_what_is_no_query_is_said_to_be_none(data: bytes) -> None:
    try:
        reply, _, _ = answer(data, KNOWN)
    except ValueError:
        return
    assert reply[:2] == data[:2]


async def asked(*queries: bytes, replies: int) -> tuple[list[bytes], list[str]]:
    """Ask a resolver; return so many of its replies, and the hosts that it told of."""
    told: list[str] = []
    resolver = await Resolver.listen("127.0.0.1", KNOWN, told.append, port=0)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", resolver.port))
        for sent in queries:
            await loop.sock_sendall(client, sent)
        came = [await loop.sock_recv(client, 512) for _ in range(replies)]
    resolver.close()
    return came, told


@pytest.mark.anyio
async def test_a_refused_host_is_told_once_for_both_kinds_of_address() -> None:
    queries = (b"?", query("x.example", 28), query("x.example"), query("api.binance.com"))
    replies, told = await asked(*queries, replies=3)
    assert told == ["x.example"]
    assert [struct.unpack_from("!6H", reply)[1] for reply in replies] == [0x8183, 0x8183, 0x8180]


@pytest.mark.anyio
async def test_a_container_that_looks_for_itself_asks_for_no_host() -> None:
    """`http.server` does, of the name that Docker gave it."""
    [reply], told = await asked(query("51a57fdf8e0e"), replies=1)
    assert reply.endswith(socket.inet_aton("127.0.0.1"))
    assert told == []
