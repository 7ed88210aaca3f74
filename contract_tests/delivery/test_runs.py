"""Delivery runs of real processes: the reference bot passes at every door, a stock bot does not.

The full ones (5,000 updates, 50 kills, each door, both inboxes) are in `test_full_runs.py`.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis

from botproof.config import Config
from botproof.faults.stores import DAMAGED_CHAT
from botproof.faults.troubles import EXCHANGE_FAULTS, TELEGRAM_FAULTS
from botproof.gate import judge
from botproof.history import CasePlayed, Fault, History, UpdateDelivered, VenueCall, read_history
from botproof.outcome import Outcome
from botproof.verdict import Verdict

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOORS = ("polling", "webhook", "lambda")


def passed(outcome: Outcome) -> None:
    """PASS, with the reason in the assertion's message if not."""
    found = outcome.result("delivery")
    assert outcome.verdict is Verdict.PASS, (found.measurement, *found.evidence)
    assert found.data["lost"] == found.data["out_of_order"] == 0


def troubles_of(record: History) -> set[str]:
    """Which troubles began and ended."""
    begun = {event.target for event in record.of(Fault) if event.kind == "begin"}
    ended = {event.target for event in record.of(Fault) if event.kind == "end"}
    assert begun == ended
    return begun


def changed(config: Config, **changes: Any) -> Config:
    """The configuration with other values in its [delivery] table."""
    assert config.delivery is not None
    delivery = msgspec.structs.replace(config.delivery, **changes)
    return msgspec.structs.replace(config, delivery=delivery)


def ask_for_symbols_that_exist(config: Config) -> Config:
    return changed(config, say=("/price BTC", "/price eth/usdt", "/price SOL"))


def let_four_functions_run(config: Config) -> Config:
    assert config.delivery is not None
    mode = config.delivery.modes["lambda"]
    command = (*(mode.command or ()), "--concurrency", "4")
    return changed(config, modes={"lambda": msgspec.structs.replace(mode, command=command)})


# kills


@pytest.mark.parametrize("door", DOORS)
def test_the_reference_bot_loses_nothing_when_killed(deliver: Any, door: str) -> None:
    outcome = deliver(mode=door, updates=300, kills=6, rate=30)

    passed(outcome)
    assert outcome.result("delivery").data["kills"] == 6
    assert outcome.result("delivery").data["updates"] == 310
    assert outcome.result("delivery").data["clean_stops"] == 2


def test_a_bot_that_announces_its_answers_passes(deliver: Any) -> None:
    where = "fixtures/bots/announcing"
    passed(deliver(where, mode="polling", updates=40, kills=0, rate=20))


def of_one_user(config: Config, **delivery: Any) -> Config:
    """The reference bot for one user alone, who is the newcomer of the workload."""
    env = {**config.bot.env, "TELEGRAM_ALLOWED_USERS": "{user:newcomer}"}
    only = msgspec.structs.replace(config, bot=msgspec.structs.replace(config.bot, env=env))
    return changed(only, **delivery)


def test_a_bot_of_one_user_is_asked_in_the_chat_of_its_owner(deliver: Any) -> None:
    def owner(config: Config) -> Config:
        return of_one_user(config, chat="newcomer")

    outcome = deliver(mode="polling", change=owner, updates=60, kills=2, rate=15)

    passed(outcome)
    assert outcome.result("delivery").data["kills"] == 2
    assert len({event.chat_id for event in outcome.history.of(CasePlayed)}) == 1


def test_what_a_bot_has_telegram_throw_away_is_said_as_such(deliver: Any) -> None:
    where = "fixtures/bots/announcing"
    outcome = deliver(where, mode="dropping", updates=20, kills=0, rate=20)

    result = outcome.result("delivery")
    assert outcome.verdict is Verdict.FAIL
    assert (result.data["thrown_away"], result.data["lost"]) == (10, 0)
    assert "deleteWebhook with drop_pending_updates" in result.evidence[0]


def test_the_record_can_be_judged_again(deliver: Any) -> None:
    outcome = deliver(mode="polling", updates=40, kills=1)
    again = read_history(outcome.report_dir / "history.jsonl")

    assert len(again) == len(outcome.history)
    assert judge(again) == outcome.results


@pytest.mark.parametrize("door", ["polling", "webhook"])
def test_a_stock_bot_is_found_out(deliver: Any, door: str) -> None:
    """The proof that the check can fail: the library's own runners confirm before they handle."""
    outcome = deliver(
        "fixtures/bots/stock_ptb", mode=door, updates=120, kills=4, rate=15, drain_s=8, late=0
    )

    assert outcome.verdict is Verdict.FAIL
    found = outcome.result("delivery")
    assert found.data["lost"] > 0
    assert any("confirmed to Telegram, killed" in line for line in found.evidence)


# without kills: nothing may be lost, and nothing at all may be repeated


@pytest.mark.parametrize("door", ["polling", "webhook"])
def test_troubles_of_telegram_cost_no_reply(deliver: Any, door: str) -> None:
    outcome = deliver(
        mode=door, updates=360, kills=0, rate=30, troubles=tuple(TELEGRAM_FAULTS), late=0
    )

    passed(outcome)
    assert outcome.result("delivery").data["repeated"] == 0
    assert troubles_of(outcome.history) == set(TELEGRAM_FAULTS)


def test_troubles_of_exchanges_and_a_slow_backend_cost_no_reply(deliver: Any) -> None:
    """An unknown symbol would be refused without asking an exchange."""
    troubles = (*EXCHANGE_FAULTS, "slow-backend")
    outcome = deliver(
        mode="polling",
        updates=300,
        kills=0,
        rate=30,
        troubles=troubles,
        late=0,
        chats=300,
        change=ask_for_symbols_that_exist,
    )

    passed(outcome)
    assert troubles_of(outcome.history) == set(troubles)
    assert any(event.status == 500 for event in outcome.history.of(VenueCall))


@pytest.mark.parametrize("door", ["polling", "webhook"])
def test_kills_while_everything_else_goes_wrong(deliver: Any, door: str) -> None:
    troubles = ("telegram-errors", "telegram-429", "exchange-errors", "slow-backend")
    outcome = deliver(mode=door, updates=400, kills=6, rate=30, troubles=troubles)

    passed(outcome)


@pytest.mark.parametrize("door", ["polling", "webhook"])
def test_a_bot_that_may_not_write_confirms_nothing(deliver: Any, door: str) -> None:
    outcome = deliver(mode=door, updates=240, kills=0, rate=30, troubles=("full-disk",), late=0)

    passed(outcome)
    assert outcome.result("delivery").data["repeated"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("door", ["polling", "webhook"])
@pytest.mark.parametrize("trouble", ["files-removed", "idle-connections", "poison-pills"])
def test_a_hostile_world_costs_no_answer(deliver: Any, door: str, trouble: str) -> None:
    outcome = deliver(mode=door, updates=240, kills=0, rate=30, troubles=(trouble,), late=0)

    passed(outcome)
    assert outcome.result("delivery").data["lost"] == 0
    assert troubles_of(outcome.history) == {trouble}


def damaged_letters(texts: list[Any]) -> list[int]:
    """The chats of updates that were damaged, and are kept as dead letters."""
    letters = [msgspec.json.decode(text) for text in texts]
    return sorted(one["lane"] - DAMAGED_CHAT for one in letters if "\\xff" in one["payload"])


@pytest.mark.parametrize("door", ["polling", "webhook"])
def test_a_damaged_row_costs_no_other_answer_and_is_a_dead_letter(
    deliver: Any, door: str, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox.sqlite3"
    outcome = deliver(
        mode=door,
        updates=240,
        kills=0,
        rate=30,
        troubles=("rows-damaged",),
        env={"INBOX_PATH": str(inbox)},
    )

    passed(outcome)
    assert outcome.result("delivery").data["kills"] == 3
    with closing(sqlite3.connect(inbox)) as connection:
        rows = connection.execute("SELECT letter FROM dead_letters").fetchall()
    assert damaged_letters([letter for (letter,) in rows]) == [1, 2, 3]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB, for those who may mount one."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "botproof", str(folder)]
    if subprocess.run(command, check=False).returncode != 0:
        pytest.skip("this system lets nobody mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - as above


@pytest.mark.parametrize("door", ["polling", "webhook"])
def test_a_full_disk_loses_nothing(deliver: Any, door: str, small_disk: Path) -> None:
    outcome = deliver(
        mode=door,
        updates=400,
        kills=10,
        rate=30,
        troubles=("full-disk",),
        disk=small_disk,
        env={"INBOX_PATH": str(small_disk / "inbox.sqlite3")},
    )

    passed(outcome)


# a shared Redis


@pytest.mark.docker
@pytest.mark.parametrize("door", DOORS)
def test_with_redis_nothing_is_lost_either(deliver: Any, door: str, redis_server: Any) -> None:
    outcome = deliver(mode=door, updates=300, kills=6, rate=30, env={"REDIS_URL": redis_server.url})

    passed(outcome)


@pytest.mark.docker
@pytest.mark.parametrize("door", ["polling", "webhook"])
def test_two_replicas_share_the_work(deliver: Any, door: str, redis_server: Any) -> None:
    outcome = deliver(
        mode=door, updates=400, kills=8, rate=30, replicas=2, env={"REDIS_URL": redis_server.url}
    )

    passed(outcome)
    assert outcome.result("delivery").data["kills"] == 8


@pytest.mark.docker
def test_functions_that_run_beside_each_other_share_the_work(
    deliver: Any, redis_server: Any
) -> None:
    outcome = deliver(
        mode="lambda",
        updates=400,
        kills=8,
        rate=40,
        change=let_four_functions_run,
        env={"REDIS_URL": redis_server.url},
    )

    passed(outcome)


@pytest.mark.docker
def test_a_damaged_value_in_redis_costs_no_other_answer_and_is_a_dead_letter(
    deliver: Any, redis_server: Any
) -> None:
    with closing(Redis.from_url(redis_server.url)) as redis:
        redis.flushall()  # the letters of earlier runs among it
        outcome = deliver(
            mode="webhook",
            updates=240,
            kills=0,
            rate=30,
            troubles=("rows-damaged",),
            env={"REDIS_URL": redis_server.url},
        )

        passed(outcome)
        dead = [letter for key in redis.scan_iter("*:dead") for letter in redis.hvals(key)]
    assert damaged_letters(dead) == [1, 2, 3]


@pytest.mark.docker
def test_a_redis_that_may_forget_is_given_nothing_meanwhile(
    deliver: Any, redis_server: Any
) -> None:
    """The window is longer than the time in which the bot has to notice."""
    outcome = deliver(
        mode="webhook",
        updates=480,
        kills=0,
        rate=15,
        troubles=("redis-evicting",),
        late=0,
        env={"REDIS_URL": redis_server.url},
    )

    passed(outcome)
    assert troubles_of(outcome.history) == {"redis-evicting"}
    assert any(event.status == 503 for event in outcome.history.of(UpdateDelivered))


@pytest.mark.docker
@pytest.mark.parametrize("door", ["polling", "webhook"])
def test_a_redis_that_is_killed_and_comes_back(deliver: Any, door: str, redis_server: Any) -> None:
    outcome = deliver(
        mode=door,
        updates=400,
        kills=8,
        rate=30,
        troubles=("redis-restart",),
        restart_redis=redis_server.kill_and_start,
        env={"REDIS_URL": redis_server.url},
    )

    passed(outcome)
    assert troubles_of(outcome.history) == {"redis-restart"}
