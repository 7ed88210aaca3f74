"""The parts of a roll-out that need no engine: journal, plan, backup, checks, ledger."""

import os
import resource
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from botproof.doubles.exchanges.coins import COINS
from botproof.problems import UsageError
from botproof.rollout import backup
from botproof.rollout.back import roll_back
from botproof.rollout.backup import with_variables
from botproof.rollout.checks import Facts, for_one_alone, refusals, warnings
from botproof.rollout.engine import DEPLOYED, StepFailedError
from botproof.rollout.journal import FileJournal, state_of
from botproof.rollout.ledger import keep, of_transcript
from botproof.rollout.plan import Manner, Plan, changes, steps
from botproof.rollout.store import Store
from botproof.rollout.telegram import Telegram
from botproof.rollout.twin import COINS as ASKED_FOR
from botproof.rollout.verify import WANTED, ask_canary, lacking


class TestJournal:
    def test_it_says_after_a_restart_what_it_said_before(self, tmp_path: Path) -> None:
        journal = FileJournal(tmp_path / "journal.jsonl")
        plan = Plan(changes=(), images={"BOT_IMAGE": "sha256:1"})
        journal.write("plan", **msgspec.to_builtins(plan))
        journal.write("begun", "check")
        journal.write("done", "check")
        journal.write("begun", "settle")
        state = state_of(FileJournal(journal.path).entries)
        assert state.plan == plan
        assert state.begun == ("check", "settle")
        assert state.done == {"check"}
        assert not state.going_back

    def test_a_way_back_that_was_kept_in_words_is_one(self, tmp_path: Path) -> None:
        """As the records of before 30 November 2026 have it."""
        journal = FileJournal(tmp_path / "journal.jsonl")
        journal.write("plan", what="rollback 3 of 20261128-1", changes=[], images={})
        plan = state_of(journal.entries).plan
        assert plan is not None
        assert (plan.level, plan.deployment) == (3, "20261128-1")
        assert plan.what == "rollback 3 of 20261128-1"

    def test_a_line_that_a_power_cut_left_half_written_is_none(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        FileJournal(path).write("begun", "check")
        with path.open("ab") as file:
            file.write(b'{"event":"done","st')
        journal = FileJournal(path)
        journal.write("done", "check")
        assert [entry.event for entry in FileJournal(path).entries] == ["begun", "done"]

    def test_a_line_that_is_no_entry_is_told_with_its_number(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        FileJournal(path).write("begun", "check")
        path.write_bytes(path.read_bytes() + b"nonsense\n")
        with pytest.raises(UsageError, match="line 2"):
            FileJournal(path)

    def test_a_line_that_a_full_disk_takes_in_part_is_taken_away_again(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "journal.jsonl"
        journal = FileJournal(path)
        journal.write("begun", "check")
        room = path.stat().st_size + 20
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                journal.write("done", "check")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, before)
        assert path.stat().st_size == room - 20
        journal.write("failed", "check")
        assert [entry.event for entry in FileJournal(path).entries] == ["begun", "failed"]


SERVICES: dict[str, dict[str, Any]] = {
    "bot": {"labels": {"botproof.role": "bot", "botproof.hand-over": "beside"}},
    "market-data": {"labels": {"botproof.role": "service"}},
    "redis": {},
}
WANTED_NOW = {"bot": "b2", "market-data": "m1", "redis": "r2"}


class TestPlan:
    def test_only_what_differs_and_has_a_role_changes(self) -> None:
        running = {"bot": [("c1", "b1", False)], "market-data": [("c2", "m1", False)]}
        [change] = changes(SERVICES, WANTED_NOW, running)
        assert (change.service, change.image, change.old) == ("bot", "b2", ("c1",))
        assert change.manner is Manner.BESIDE

    def test_another_configuration_of_the_same_image_is_a_change(self) -> None:
        running = {"bot": [("c1", "b2", True)], "market-data": [("c2", "m1", False)]}
        assert [c.service for c in changes(SERVICES, WANTED_NOW, running)] == ["bot"]

    def test_a_bot_that_says_nothing_of_itself_never_runs_beside_another(self) -> None:
        services = {"bot": {"labels": {"botproof.role": "bot"}}}
        [change] = changes(services, WANTED_NOW, {"bot": [("c1", "b1", False)]})
        assert change.manner is Manner.IN_TURN
        names = [str(step) for step in steps(Plan(changes=(change,), images={}))]
        assert "start bot" not in names

    @pytest.mark.parametrize(
        ("more", "wanted"), [({}, 1), ({"scale": 3}, 3), ({"deploy": {"replicas": 2}}, 2)]
    )
    def test_a_service_has_as_many_containers_as_its_files_say(
        self, more: dict[str, Any], wanted: int
    ) -> None:
        [change] = changes({"bot": {**SERVICES["bot"], **more}}, WANTED_NOW, {})
        assert change.replicas == wanted

    @pytest.mark.parametrize(
        ("service", "manner", "said"),
        [
            ({}, Manner.BESIDE, ""),
            ({"container_name": "my-bot"}, Manner.IN_TURN, "container_name: my-bot"),
            ({"ports": [{"target": 80, "published": "8080"}]}, Manner.BESIDE, "port 8080"),
            ({"ports": [{"target": 80, "published": "8080"}]}, Manner.SHARED, "port 8080"),
            ({"ports": [{"target": 80, "published": "8080"}]}, Manner.IN_TURN, ""),
            ({"ports": [{"target": 80}]}, Manner.BESIDE, ""),
            ({"ports": [{"target": 80, "published": "0"}]}, Manner.BESIDE, ""),
            ({"ports": [{"target": 80, "published": "8080-8090"}]}, Manner.BESIDE, ""),
        ],
    )
    def test_what_two_containers_cannot_have_at_a_time_is_found(
        self, service: dict[str, Any], manner: Manner, said: str
    ) -> None:
        """docker-rollout and Kamal name the same two."""
        found = for_one_alone(service, manner)
        assert said in found
        assert bool(said) == bool(found)

    def test_a_bot_whose_data_are_replaced_is_held_where_it_can_stand_by(self) -> None:
        for said, held in (("beside", True), ("in turn", False)):
            services = {"bot": {"labels": {"botproof.role": "bot", "botproof.hand-over": said}}}
            [change] = changes(services, WANTED_NOW, {"bot": [("c1", "b1", False)]}, every=True)
            assert (change.manner, change.held) == (Manner(said), held)

    def test_what_bots_ask_changes_before_the_bots(self) -> None:
        both = changes(SERVICES, {**WANTED_NOW, "market-data": "m2"}, {})
        names = [str(step) for step in steps(Plan(changes=both, images={}))]
        assert names.index("hand over market-data") < names.index("create bot")
        assert names[:2] == ["check", "back up"]
        assert names[-1] == "settle"


FACTS = Facts(
    disk_free=5_000_000_000,
    disk_total=8_000_000_000,
    memory_free=500_000_000,
    memory_wanted=100_000_000,
    compose="2.40.3",
    images={"BOT_IMAGE": "sha256:1"},
    bot="market_bot",
    bot_trouble="",
    clock=0.4,
    webhook="",
    own_webhook="",
    others={},
    env_modes={".env.prod": 0o600},
    verdict=(),
)


class TestChecks:
    def test_a_fit_machine_is_refused_nothing(self) -> None:
        assert refusals(FACTS) == []

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"disk_free": 399_000_000}, "disk: 95%"),
            ({"disk_free": 290_000_000, "disk_total": 2_000_000_000}, "290 MB are free"),
            ({"memory_free": 160_000_000}, "memory: 160 MB are free"),
            ({"compose": "2.17.2"}, "wanted 2.24"),
            ({"compose": ""}, "missing"),
            ({"images": {"BOT_IMAGE": ""}}, "BOT_IMAGE"),
            ({"bot_trouble": "Telegram said 401 to getMe: Unauthorized"}, "401"),
            ({"bot_id": "43", "running_id": "42"}, "42 runs here, whose users nobody would answer"),
            ({"clock": -3600.0}, "3600 s behind"),
            ({"clock": 90.0}, "90 s ahead"),
            ({"webhook": "https://a.example/secret"}, "somebody else uses this token"),
            ({"others": {"redis": "exited"}}, "redis is exited"),
            ({"env_modes": {".env.prod": 0o644}}, "chmod 600"),
            ({"verdict": ["verdict: the verdict is FAIL (memory)"]}, "the verdict is FAIL"),
        ],
    )
    def test_each_thing_that_is_wrong_is_told_alone(self, wrong: dict[str, Any], said: str) -> None:
        found = refusals(msgspec.structs.replace(FACTS, **wrong))
        assert len(found) == 1
        assert said in found[0]

    def test_the_path_of_a_strange_webhook_is_not_shown(self) -> None:
        strange = msgspec.structs.replace(FACTS, webhook="https://a.example/s3cret")
        assert "s3cret" not in " ".join(refusals(strange))

    def test_what_telegram_could_not_deliver_just_now_is_told_and_refuses_nothing(self) -> None:
        error = "SSL error {error:0A000086:SSL routines::certificate verify failed}"
        facts = msgspec.structs.replace(FACTS, delivery_error=error, delivery_error_age=40.2)
        assert refusals(facts) == []
        [said] = warnings(facts)
        assert said.startswith(f"Telegram could not deliver 40 s ago: {error}; users wait")
        assert warnings(msgspec.structs.replace(facts, delivery_error_age=301.0)) == []
        assert warnings(FACTS) == []

    def test_a_new_token_of_the_same_bot_is_fine(self) -> None:
        assert refusals(msgspec.structs.replace(FACTS, bot_id="42", running_id="42")) == []
        assert refusals(msgspec.structs.replace(FACTS, bot_id="42", running_id="")) == []

    def test_the_bots_own_webhook_is_fine(self) -> None:
        url = "https://bot.example.com/webhook"
        assert refusals(msgspec.structs.replace(FACTS, webhook=url, own_webhook=url)) == []


def inbox(path: Path, rows: list[tuple[int, int | None]], more: str = "") -> Path:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"CREATE TABLE updates (id INTEGER PRIMARY KEY, done INTEGER{more})")
    connection.executemany("INSERT INTO updates (id, done) VALUES (?, ?)", rows)
    connection.commit()
    connection.close()
    return path


def rows(path: Path) -> list[tuple[int, int | None]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT id, done FROM updates ORDER BY id").fetchall()
    finally:
        connection.close()


class TestBackup:
    def test_a_database_in_use_is_copied_with_what_stands_in_its_journal(
        self, tmp_path: Path
    ) -> None:
        source = inbox(tmp_path / "inbox", [(1, None)])
        writer = sqlite3.connect(source)
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("INSERT INTO updates VALUES (2, 5)")
        writer.commit()
        assert backup.copy_database(source, tmp_path / "kept" / "inbox")
        writer.execute("INSERT INTO updates VALUES (3, NULL)")
        writer.commit()
        writer.close()
        assert rows(tmp_path / "kept" / "inbox") == [(1, None), (2, 5)]
        assert (tmp_path / "kept" / "inbox").stat().st_mode & 0o777 == 0o600

    def test_no_database_is_no_copy(self, tmp_path: Path) -> None:
        assert not backup.copy_database(tmp_path / "none", tmp_path / "copy")

    def test_going_back_keeps_what_came_in_and_what_was_answered_since(
        self, tmp_path: Path
    ) -> None:
        copy = inbox(tmp_path / "copy", [(1, None), (2, 7)])
        target = inbox(tmp_path / "inbox", [(1, 8), (2, 7), (3, None)], ", added TEXT")
        aside = backup.restore_database(copy, target, carry_over=True)
        assert rows(target) == [(1, 8), (2, 7), (3, None)]
        assert aside is not None
        assert rows(aside) == [(1, 8), (2, 7), (3, None)]
        with closing(sqlite3.connect(target)) as connection:
            columns = connection.execute("PRAGMA table_info(updates)").fetchall()
        assert [column[1] for column in columns] == ["id", "done"]  # the older version's tables
        assert backup.restore_database(copy, target, carry_over=True) == aside  # after a kill
        assert rows(target) == [(1, 8), (2, 7), (3, None)]

    def test_without_its_backup_nothing_is_touched(self, tmp_path: Path) -> None:
        target = inbox(tmp_path / "inbox", [(1, None)])
        before = target.read_bytes()
        with pytest.raises(StepFailedError, match="nothing was changed"):
            backup.restore_database(tmp_path / "gone", target, carry_over=True)
        assert target.read_bytes() == before

    def test_a_digest_of_files_knows_where_one_ends_and_the_next_begins(
        self, tmp_path: Path
    ) -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        one.write_text("ab")
        two.write_text("c")
        before = backup.digest_of([one, two])
        assert backup.digest_of([one, two]) == before
        one.write_text("a")
        two.write_text("bc")
        assert backup.digest_of([one, two]) != before
        two.unlink()
        assert backup.digest_of([one, two]) != before

    def test_settings_come_back_as_they_were_and_stay_secret(self, tmp_path: Path) -> None:
        env, compose = tmp_path / ".env", tmp_path / "compose.yaml"
        env.write_text("TELEGRAM_BOT_TOKEN=1\n")
        env.chmod(0o600)
        compose.write_text("services: {}\n")
        backup.keep_files([env, compose], tmp_path / "before")
        assert all(f.stat().st_mode & 0o777 == 0o600 for f in (tmp_path / "before").iterdir())
        env.write_text("TELEGRAM_BOT_TOKEN=2\n")
        backup.restore_files([env, compose], tmp_path / "before")
        assert env.read_text() == "TELEGRAM_BOT_TOKEN=1\n"
        assert env.stat().st_mode & 0o777 == 0o600

    def test_an_env_file_gets_other_images_and_keeps_all_else(self) -> None:
        text = "# BOT_IMAGE=example\nBOT_IMAGE=older\nBOT_IMAGE=old\nTOKEN=a=b"
        assert with_variables(text, {"BOT_IMAGE": "new", "MARKET_DATA_IMAGE": "m"}) == (
            "# BOT_IMAGE=example\nBOT_IMAGE=new\nBOT_IMAGE=new\nTOKEN=a=b\nMARKET_DATA_IMAGE=m\n"
        )

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_an_env_file_of_another_hand_keeps_its_form(self, tmp_path: Path, end: str) -> None:
        """Ends of lines of Windows, quotes, `export`, an owner, a link that leads to it."""
        there, link = tmp_path / "settings", tmp_path / ".env"
        lines = ["# ours", 'TOKEN="a"', "export BOT_IMAGE='old'", ' DATA_IMAGE = "old"']
        there.write_bytes(end.join(lines).encode())
        there.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(there, 4242, 4243)
        owner = there.stat().st_uid, there.stat().st_gid
        link.symlink_to(there.name)
        backup.set_variables(link, {"BOT_IMAGE": "new", "DATA_IMAGE": "d", "MORE": "m"})
        wanted = [*lines[:2], "export BOT_IMAGE=new", " DATA_IMAGE=d", "MORE=m", ""]
        assert there.read_bytes() == end.join(wanted).encode()
        assert (there.stat().st_uid, there.stat().st_gid) == owner
        assert there.stat().st_mode & 0o777 == 0o640
        assert link.is_symlink()


FIGURES = "24h delta: +1 · L/S: 0.90x · 15m activity: HIGH (2.04x)"
LEDGER_SPANS = [("old", 0.0), ("new", 2.0)]


def asked(coin: str, chat: int, at: float) -> dict[str, Any]:
    message = {"chat": {"id": chat}, "text": f"/price {coin}"}
    return {"type": "inject", "t": at, "update": {"message": message}}


def said(text: str, chat: int, at: float, *, message: int = 0, edited: bool = False) -> Any:
    result = {"chat": {"id": chat}, "message_id": message or round(at * 1000)}
    method = "editMessageText" if edited else "sendMessage"
    call = {"type": "call", "t": at, "method": method, "status": 200}
    return {**call, "params": {"text": text}, "result": result}


def answered(coin: str, chat: int, at: float, *, message: int = 0, edited: bool = False) -> Any:
    text = f"📊 <b>{coin}/USDT</b> · Binance\n{FIGURES}"
    return said(text, chat, at, message=message, edited=edited)


class TestLedger:
    def test_a_roll_out_has_ended_though_its_ledger_cannot_be_kept(self, tmp_path: Path) -> None:
        ledger = of_transcript([], LEDGER_SPANS)
        assert keep(ledger, tmp_path / "ledger.json") == []
        assert (tmp_path / "ledger.json").read_bytes()
        [said] = keep(ledger, Path("/dev/full"))
        assert said == "/dev/full: the ledger cannot be kept: No space left on device"

    def test_who_answered_what_and_how_long_users_waited(self) -> None:
        events = [asked("BTC", 1, 0.0), answered("BTC", 1, 0.1)]
        events += [asked("ETH", 1, 1.0), answered("ETH", 1, 2.5)]
        ledger = of_transcript(events, LEDGER_SPANS)
        assert (ledger.asked, ledger.answered, ledger.lost, ledger.failed) == (2, 2, 0, 0)
        assert ledger.by_instance == {"old": 1, "new": 1}
        assert ledger.longest_wait_s == 1.5

    def test_what_is_lost_repeated_swapped_or_in_conflict_is_counted(self) -> None:
        conflict = {"type": "call", "t": 3.0, "method": "getUpdates", "status": 409, "params": {}}
        events = [asked("BTC", 1, 0.0), asked("ETH", 1, 0.1), asked("SOL", 1, 0.2)]
        events += [asked("BTC", 2, 0.3), answered("ETH", 1, 0.5), answered("BTC", 1, 0.6)]
        events += [answered("BTC", 2, 0.7), answered("BTC", 2, 0.8), conflict]
        ledger = of_transcript(events, LEDGER_SPANS)
        assert (ledger.lost, ledger.repeated, ledger.out_of_order) == (1, 1, 1)
        assert ledger.conflicts == 1

    def test_words_without_figures_are_no_answer(self) -> None:
        sorry = "Market data is not reachable, so there are no figures for BTC"
        events = [asked("BTC", 1, 0.0), said(sorry, 1, 0.1), asked("ETH", 1, 1.0)]
        events += [answered("ETH", 1, 1.1), asked("SOL", 1, 2.0)]
        ledger = of_transcript(events, LEDGER_SPANS)
        assert (ledger.answered, ledger.failed, ledger.lost) == (1, 1, 1)
        assert [row.words for row in ledger.rows] == [sorry, "", ""]

    def test_figures_of_another_coin_are_no_answer(self) -> None:
        ledger = of_transcript([asked("BTC", 1, 0.0), answered("ETH", 1, 0.1)], LEDGER_SPANS)
        assert (ledger.answered, ledger.lost) == (0, 1)

    def test_an_acknowledgement_that_becomes_the_answer_is_one_answer(self) -> None:
        events = [asked("BTC", 1, 0.0), said("⏳ One moment …", 1, 0.5, message=7)]
        events.append(answered("BTC", 1, 1.2, message=7, edited=True))
        ledger = of_transcript(events, LEDGER_SPANS)
        assert (ledger.answered, ledger.failed, ledger.repeated) == (1, 0, 0)
        assert ledger.longest_wait_s == 1.2

    def test_the_same_answer_edited_in_again_is_no_answer_to_the_next_question(self) -> None:
        events = [asked("BTC", 1, 0.0), answered("BTC", 1, 0.1, message=7), asked("BTC", 1, 9.0)]
        events.append(answered("BTC", 1, 9.1, message=7, edited=True))
        ledger = of_transcript(events, LEDGER_SPANS)
        assert (ledger.answered, ledger.repeated, ledger.lost) == (1, 1, 1)

    def test_the_answer_to_a_coin_that_is_asked_for_again_is_not_one_to_a_question_passed_over(
        self,
    ) -> None:
        events = [asked("BTC", 1, 0.0), asked("ETH", 1, 1.0), answered("ETH", 1, 1.1)]
        events += [asked("BTC", 1, 2.0), answered("BTC", 1, 2.3)]
        ledger = of_transcript(events, LEDGER_SPANS)
        assert (ledger.answered, ledger.lost, ledger.out_of_order) == (2, 1, 0)
        assert ledger.longest_wait_s == 0.3

    def test_users_ask_for_coins_that_every_exchange_of_the_double_lists(self) -> None:
        listed = {c.base for c in COINS if c.spot and c.perp and c.venues is None}
        assert set(ASKED_FOR) <= listed


class TestToken:
    @pytest.mark.parametrize("beside", [" ", "\r", "'", '"'])
    def test_what_cannot_be_seen_beside_a_token_is_named_and_the_token_is_not(
        self, beside: str
    ) -> None:
        token = "42:" + "A" * 35
        with pytest.raises(StepFailedError, match="TELEGRAM_BOT_TOKEN has spaces") as caught:
            Telegram({"TELEGRAM_BOT_TOKEN": token + beside}, {})
        assert token not in str(caught.value)
        assert Telegram({"TELEGRAM_BOT_TOKEN": token}, {}).bot_id == "42"

    def test_no_token_at_all_is_told(self) -> None:
        with pytest.raises(StepFailedError, match="hold no token"):
            Telegram({"TELEGRAM_BOT_TOKEN": "none"}, {})


class TestCanary:
    def test_an_answer_needs_the_ratio_and_the_activity(self) -> None:
        assert lacking("L/S: 1.56x … Activity: HIGH (2.1x)", WANTED) == []
        assert len(lacking("⚠️ I do not know the symbol", WANTED)) == 2

    def test_a_wrong_answer_is_shown(self) -> None:
        with pytest.raises(StepFailedError, match="L/S: n/a"):
            ask_canary("echo 'L/S: n/a'")

    def test_a_command_that_fails_is_told_with_what_it_said(self) -> None:
        with pytest.raises(StepFailedError, match="exited with 3: no chat"):
            ask_canary("echo no chat >&2; exit 3")


def test_what_was_taken_back_is_not_taken_back_again(tmp_path: Path) -> None:
    def recorded(plan: Plan) -> str:
        journal = FileJournal(store.new() / "journal.jsonl")
        journal.write("plan", **msgspec.to_builtins(plan))
        journal.write("end", reason=DEPLOYED)
        return journal.path.parent.name

    store = Store(tmp_path)
    name = recorded(Plan(changes=(), images={}))
    recorded(Plan(changes=(), images={}, level=1, deployment=name))
    with pytest.raises(UsageError, match="holds no deployment that could be taken back"):
        roll_back(2, make_host=lambda _: pytest.fail("nothing was to be asked"), store=store)
