"""The book of signals: what both kinds of it promise, and over a restart of the process."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from redis.asyncio import Redis

from reference_bot.telegram_bot.signals.model import (
    SignalBook,
    SignalsUnavailableError,
    Subscriber,
    Verdict,
)
from reference_bot.telegram_bot.signals.redis import RedisBook
from reference_bot.telegram_bot.signals.sqlite import SqliteBook

pytestmark = pytest.mark.anyio

NOW = 1_767_258_432.0
SLOT = 1_767_258_000
OpenBook = Callable[..., SignalBook]


@pytest.fixture(params=["sqlite", "redis"])
async def books(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Callable[..., SignalBook]]:
    """Makes books of a bot on the same file or Redis, as processes one after the other have it."""
    made: list[SignalBook] = []
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""

    def make(bot: int = 1) -> SignalBook:
        path = tmp_path / "book.sqlite3"
        book: SignalBook = (
            RedisBook(url, bot, clock=lambda: NOW)
            if url
            else SqliteBook(path, bot, clock=lambda: NOW)
        )
        made.append(book)
        return book

    yield make
    for book in made:
        await book.close()


def verdict(pair: str = "BTC/USDT", slot: int = SLOT, html: str = "first") -> Verdict:
    return Verdict(pair, slot, "signal", slot * 1000 + 5, 70, html=html)


async def test_the_first_verdict_of_a_pair_and_slot_stays(books: OpenBook) -> None:
    book = books()
    await book.open()
    await book.keep(verdict())
    await book.keep(verdict(html="second"))
    await book.keep(Verdict("ETH/USDT", SLOT, "no_trade", 1, reason="too quiet"))
    assert await book.judged(SLOT) == {"BTC/USDT", "ETH/USDT"}
    assert await book.judged(SLOT + 3600) == frozenset()
    again = books()
    await again.open()
    assert await again.unsent(SLOT) == [verdict()]


async def test_a_verdict_that_cannot_be_read_keeps_no_other_back(
    books: OpenBook, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    book = books()
    await book.open()
    await book.keep(verdict("BTC/USDT"))
    await book.keep(verdict("ETH/USDT"))
    if isinstance(book, RedisBook):
        async with Redis.from_url(request.getfixturevalue("redis_url")) as redis:
            await redis.hset(f"botproof:{{1}}:signals:{SLOT}", "BTC/USDT", b"\xff\x00")
            await redis.hset(f"botproof:{{1}}:signals:{SLOT}", b"\xff", b"{}")
    else:
        with closing(sqlite3.connect(tmp_path / "book.sqlite3")) as file, file:
            file.execute("UPDATE verdicts SET verdict = '{' WHERE pair = 'BTC/USDT'")
    assert await book.unsent(SLOT) == [verdict("ETH/USDT")]


async def test_what_somebody_else_wrote_into_redis_silences_no_subscriber(redis_url: str) -> None:
    book = RedisBook(redis_url, 1, clock=lambda: NOW)
    await book.open()
    await book.subscribe(Subscriber(1, 5))
    async with Redis.from_url(redis_url) as redis:
        await redis.hset("botproof:{1}:signals:subscribers", "2", "garbage")
        await redis.hset("botproof:{1}:signals:subscribers", b"\xff", "5")
        await redis.set("botproof:{1}:signals:last", b"\xff")
    assert await book.subscribers() == [Subscriber(1, 5)]
    assert await book.subscriber(2) is None
    assert await book.last_signal_ms() == NOW * 1000
    await book.close()


async def test_what_was_handed_out_is_not_again(books: OpenBook) -> None:
    book = books()
    await book.open()
    await book.keep(verdict("BTC/USDT"))
    await book.keep(verdict("ETH/USDT"))
    await book.handed_out(verdict("BTC/USDT"))
    again = books()
    await again.open()
    assert await again.unsent(SLOT) == [verdict("ETH/USDT")]
    assert await again.judged(SLOT) == {"BTC/USDT", "ETH/USDT"}


async def test_the_last_signal_is_known_over_a_restart(books: OpenBook) -> None:
    book = books()
    await book.open()
    assert await book.last_signal_ms() == NOW * 1000  # when the book was begun
    await book.keep(Verdict("BTC/USDT", SLOT, "weak", 1, 50))
    assert await book.last_signal_ms() == NOW * 1000
    await book.keep(verdict("ETH/USDT"))
    again = books()
    await again.open()
    assert await again.last_signal_ms() == SLOT * 1000 + 5


async def test_subscribers_come_and_go_once_each(books: OpenBook) -> None:
    book = books()
    await book.open()
    for subscriber in (Subscriber(-5, 1), Subscriber(7, 7), Subscriber(-5, 2)):
        await book.subscribe(subscriber)
    await book.unsubscribe(7)
    await book.unsubscribe(7)
    again = books()
    await again.open()
    assert await again.subscribers() == [Subscriber(-5, 2)]
    assert await again.subscriber(-5) == Subscriber(-5, 2)
    assert await again.subscriber(7) is None


async def test_verdicts_are_forgotten_after_three_months(tmp_path: Path) -> None:
    """In SQLite; Redis lets its keys expire."""
    book = SqliteBook(tmp_path / "book", 1, clock=lambda: NOW)
    await book.open()
    for days in (91, 89, 0):
        await book.keep(verdict(slot=SLOT - days * 86_400))
    kept = [days for days in (91, 89, 0) if await book.judged(SLOT - days * 86_400)]
    assert kept == [89, 0]
    await book.close()


async def test_files_that_were_removed_are_written_anew(tmp_path: Path) -> None:
    book = SqliteBook(tmp_path / "book.sqlite3", 1)
    await book.open()
    await book.subscribe(Subscriber(5, 6))
    for name in ("book.sqlite3", "book.sqlite3-wal", "book.sqlite3-shm"):
        (tmp_path / name).unlink()
    await book.subscribe(Subscriber(7, 8))
    await book.close()
    again = SqliteBook(tmp_path / "book.sqlite3", 1)
    await again.open()
    assert {one.chat for one in await again.subscribers()} == {5, 7}
    await again.close()


async def test_two_bots_have_a_book_each(books: OpenBook) -> None:
    book, other = books(1), books(2)
    await book.open()
    await other.open()
    await book.keep(verdict())
    await book.subscribe(Subscriber(7, 7))
    assert await other.judged(SLOT) == frozenset()
    assert await other.subscribers() == []


async def test_a_book_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    book = SqliteBook(tmp_path / "file" / "book.sqlite3", 1)
    with pytest.raises(SignalsUnavailableError, match=r"book\.sqlite3"):
        await book.open()
    with pytest.raises(SignalsUnavailableError, match="it is not open"):
        await book.subscribers()
    await book.close()
    (tmp_path / "text").write_text("this is no database, but a text of some length " * 9)
    book = SqliteBook(tmp_path / "text", 1)
    with pytest.raises(SignalsUnavailableError, match="not a database"):
        await book.open()
    await book.close()
