"""``--dead-letters``: what could not be handled, listed while the bot runs or not."""

import asyncio
import sqlite3
import sys
from pathlib import Path
from urllib.parse import quote

import msgspec

from reference_bot.telegram_bot.inbox.model import DeadLetter, InboxUnavailableError
from reference_bot.telegram_bot.settings import Settings


def show(settings: Settings) -> int:
    """Print a JSON object a line, the oldest first; return the exit code."""
    try:
        letters = _letters(settings)
    except (InboxUnavailableError, sqlite3.Error, OSError) as error:
        print(f"The dead letters cannot be read: {error}", file=sys.stderr)
        return 1
    for letter in letters:
        print(msgspec.json.encode(letter).decode())
    print(f"{len(letters)} dead letters", file=sys.stderr)
    return 0


def _letters(settings: Settings) -> list[DeadLetter]:
    url = settings.redis_url.get_secret_value()
    if url:
        return asyncio.run(_from_redis(url, settings.bot_id))
    path = Path(settings.inbox_path)
    if not path.exists():
        raise InboxUnavailableError(f"there is no inbox at {path}")
    # Read-only, and without the lock: the bot goes on beside it.
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT letter FROM dead_letters WHERE bot = ? ORDER BY seq", (settings.bot_id,)
        ).fetchall()
    finally:
        connection.close()
    return [msgspec.json.decode(text, type=DeadLetter) for (text,) in rows]


async def _from_redis(url: str, bot_id: int) -> list[DeadLetter]:
    from reference_bot.telegram_bot.inbox.redis import RedisInbox  # noqa: PLC0415 - only if used

    inbox = RedisInbox(url, bot_id)
    try:
        return await inbox.letters()
    finally:
        await inbox.close()
