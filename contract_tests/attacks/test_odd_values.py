"""One odd value deafens nobody: it is refused at the door, and the next update is answered."""

import json
from typing import Any

import pytest

BIG = 10**30


def odd(attack: Any) -> list[dict[str, Any]]:
    """Updates that no inbox can keep or no handler can read, by one value each."""
    stranger = {"is_bot": False, "first_name": "A"}
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    inline = {"id": "1", "query": "btc", "offset": ""}
    return [
        {"update_id": 1 << 63},
        {"update_id": -(1 << 63) - 1},
        {"update_id": 1.5},
        {"update_id": True},
        {**attack.message(), "update_id": 1 << 54},
        attack.message(chat=1 << 63),
        attack.message(chat=-BIG),
        attack.message(message_id=BIG),
        attack.message(**{"from": {**stranger, "id": 1 << 60}}),
        attack.message(**{"from": {**stranger, "id": "\ud800"}}),
        attack.message(**{"from": {**stranger, "id": True}}),
        attack.message(sender_chat={"id": BIG, "type": "channel"}),
        attack.message(message_thread_id="x"),
        attack.message(migrate_to_chat_id=BIG),
        attack.message("/help \ud800"),
        attack.message(deep=deep),
        attack.message(date=BIG),
        attack.message(number=float("nan")),
        attack.tap(**{"from": {**stranger, "id": BIG}}),
        attack.tap(id=5),
        {**attack.message(), "inline_query": {**inline, "from": {**stranger, "id": BIG}}},
    ]


@pytest.mark.slow
def test_the_webhook_refuses_each_and_answers_the_next(
    start_bot: Any, attack: Any, store: dict[str, str]
) -> None:
    bot = start_bot("webhook", **store).until_ready()
    attack.canary()
    for update in odd(attack):
        status, answer = bot.post(json.dumps(update).encode())
        assert status == 400, (update, answer)
        assert "no update" in answer["error"]
    attack.canary()
    bot.until_ready()
    refused = bot.metric('bot_updates_refused_total{door="webhook"}')
    assert refused == len(odd(attack))
    assert bot.end() == 0


@pytest.mark.slow
def test_polling_skips_each_and_goes_on_behind_them(
    start_bot: Any, attack: Any, upstream: Any, store: dict[str, str]
) -> None:
    first, last = attack.message(chat=7), attack.message(chat=8)
    last["update_id"] = first["update_id"] + 1000  # behind all odd ones
    upstream.batches = [[first, *odd(attack), last], odd(attack)[:2]]
    bot = start_bot("polling", TELEGRAM_API_BASE_URL=upstream.url, **store)
    attack.wait_for("both answers", lambda: len(upstream.sent) >= 2)
    assert {sent["chat_id"] for sent in upstream.sent} == {7, 8}
    attack.wait_for("the last offset", lambda: upstream.offsets[-1] == last["update_id"] + 1)
    later = attack.message(chat=9)
    later["update_id"] = last["update_id"] + 1
    upstream.batches = [[later]]
    attack.wait_for("the next answer", lambda: len(upstream.sent) >= 3)
    bot.until_ready()
    assert bot.metric('bot_updates_refused_total{door="polling"}') == len(odd(attack)) + 2
    assert bot.end() == 0


def test_one_operation_that_fails_fails_alone(tmp_path: Any) -> None:
    """Also where a group of them is one transaction; and the thread that runs them goes on."""
    import asyncio  # noqa: PLC0415 - for this one test

    from reference_bot.telegram_bot.inbox import (  # noqa: PLC0415 - as above
        Put,
        Update,
        UpdateRefusedError,
    )
    from reference_bot.telegram_bot.inbox.sqlite import SqliteInbox  # noqa: PLC0415 - as above

    async def run() -> list[Any]:
        inbox = SqliteInbox(str(tmp_path / "i.db"), 1)
        await inbox.open()
        updates = [Update(1, 1, b"{}"), Update(1 << 63, 2, b"{}"), Update(3, 3, b"{}")]
        results = await asyncio.gather(
            *(inbox.put([update]) for update in updates), inbox.probe(), return_exceptions=True
        )
        assert (await inbox.put([Update(4, 4, b"{}")])).new == 1
        await inbox.close()
        return results

    first, refused, third, probe = asyncio.run(run())
    assert (first, third, probe) == (Put(1, 0), Put(1, 0), None)
    assert isinstance(refused, UpdateRefusedError)
