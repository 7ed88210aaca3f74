"""The same question of several people at the same moment is asked once."""

import asyncio
from typing import Any

import pytest

from reference_bot.telegram_bot.sharing import Shared

pytestmark = pytest.mark.anyio


class Kitchen:
    """Work that ends when the test says so, and a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.begun: list[asyncio.Future[str]] = []
        self.shared: Shared[str] = Shared(lambda: self.now)

    def ask(self, key: str = "btc") -> asyncio.Task[str]:
        return asyncio.create_task(self.shared.get(key, self._cook))

    async def _cook(self) -> str:
        self.begun.append(asyncio.get_running_loop().create_future())
        return await self.begun[-1]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_at_the_same_moment_gets_the_same_answer() -> None:
    kitchen = Kitchen()
    asking = [kitchen.ask(), kitchen.ask(), kitchen.ask("eth")]
    await settle()
    assert len(kitchen.begun) == 2
    for number, one in enumerate(kitchen.begun):
        one.set_result(f"answer {number}")
    assert await asyncio.gather(*asking) == ["answer 0", "answer 0", "answer 1"]
    later = kitchen.ask()
    await settle()
    assert len(kitchen.begun) == 3, "what is done is not given to who asks afterwards"
    later.cancel()


async def test_who_asks_later_gets_an_answer_of_their_own() -> None:
    kitchen = Kitchen()
    first = kitchen.ask()
    await settle()
    kitchen.now = 0.3
    second = kitchen.ask()
    await settle()
    kitchen.begun[0].set_result("old")
    kitchen.begun[1].set_result("new")
    assert (await first, await second) == ("old", "new")


async def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    kitchen = Kitchen()
    asking = [kitchen.ask(), kitchen.ask()]
    await settle()
    kitchen.begun[0].set_exception(LookupError("nothing there"))
    found: list[Any] = await asyncio.gather(*asking, return_exceptions=True)
    assert [str(one) for one in found] == ["nothing there"] * 2
    again = kitchen.ask()
    await settle()
    kitchen.begun[1].set_result("there")
    assert await again == "there"


async def test_who_goes_away_takes_the_answer_from_nobody() -> None:
    kitchen = Kitchen()
    gone, waiting = kitchen.ask(), kitchen.ask()
    await settle()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    kitchen.begun[0].set_result("there")
    assert await waiting == "there"
