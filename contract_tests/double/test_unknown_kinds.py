"""Kinds of update that no Bot API has yet: who gets them."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_a_bot_that_never_chose_its_kinds_gets_new_ones(api: Any) -> None:
    made = await api.person(update={"telepathy": {"thought": "buy low"}})
    # `ok` would hold the answer to today's specification, which has no such kind.
    (update,) = (await api.call("getUpdates"))["result"]
    assert update == {"update_id": made["update_id"], "telepathy": {"thought": "buy low"}}


async def test_a_bot_that_chose_its_kinds_does_not(api: Any) -> None:
    await api.call("getUpdates", allowed_updates=["message", "callback_query"], offset=-1)
    made = await api.person(update={"telepathy": {"thought": "buy low"}})
    assert made["update_id"] is None
    assert await api.ok("getUpdates") == []
