"""What the gate sends, and how much load it asks for."""

from typing import Any

import pytest
from msgspec.structs import replace

from botproof.checks.generator import Grade
from botproof.config import Case, Load
from botproof.history import GeneratorHeld, Request
from botproof.starvation import Starvation
from botproof.workloads.load import LoadPlan, read_requests
from botproof.workloads.scripted import (
    Patience,
    acts,
    conversations,
    known_users,
    seconds_until_room,
)

LOAD = Load(script="s", host="h", max_requests=12_000)


def requests(n: int, failures: int = 0, latency_s: float = 0.01) -> list[Request]:
    return [
        Request(t=float(i), intended=float(i), latency_s=latency_s, ok=i >= failures)
        for i in range(n)
    ]


def plan(modes: int = 2, load: Load = LOAD) -> LoadPlan:
    return LoadPlan(load=load, limit=0.001, late_s=2.0, modes=modes)


class TestPatience:
    CASE = Case(name="a", say="/a", deadline_s=10.0)

    def after(self, *came: bool, case: Case = CASE) -> float:
        patience = Patience()
        for one in came:
            patience.waited(case, came=one)
        return patience.seconds(self.CASE)

    def test_a_mute_bot_is_not_waited_for_two_hundred_times(self) -> None:
        assert self.after(False, False) == 10.0
        assert self.after(False, False, False) == 0.5
        assert self.after(True, False, False, False) == 2.5

    def test_an_answer_brings_it_back(self) -> None:
        assert self.after(False, False, False, True) == 10.0
        assert self.after(False, True, False, False) == 10.0

    def test_silence_where_it_is_right_shows_nothing(self) -> None:
        silent = Case(name="s", say="psst", expect="silence")
        assert self.after(False, False, False, False, case=silent) == 10.0


class TestConversations:
    def test_cases_of_one_chat_follow_each_other_and_others_have_their_own(self) -> None:
        cases = [
            Case(name="a", say="/a", chat="room"),
            Case(name="b", say="/b"),
            Case(name="c", say="/c", chat="room"),
        ]
        talks = conversations(cases)
        assert [[step.case.name for step in steps] for steps in talks] == [["a", "c"], ["b"]]
        assert talks[0][0].chat_id == talks[0][1].chat_id != talks[1][0].chat_id

    def test_a_chat_named_like_a_case_is_not_the_cases_own(self) -> None:
        cases = [Case(name="a", say="x", chat="b"), Case(name="b", say="y")]
        assert len(conversations(cases)) == 2

    def test_who_meets_failing_exchanges_is_alone_at_its_place(self) -> None:
        fault = {"double": "exchanges", "kind": "error"}
        cases = [
            Case(name="a", say="x"),
            Case(name="b", say="x", fault={"kind": "duplicate"}),
            Case(name="c", say="x", chat="cache"),
            Case(name="d", say="x", chat="cache", fault=(fault,)),
            Case(name="e", say="x", fault=fault),
            Case(name="f", say="x"),
            Case(name="g", say="x"),
        ]
        names = [[[s.case.name for s in steps] for steps in act] for act in acts(cases)]
        assert names == [[["a"], ["b"]], [["c", "d"]], [["e"]], [["f"], ["g"]]]

    def test_strangers_are_not_known(self) -> None:
        cases = [Case(name="a", say="x"), Case(name="b", say="y", stranger=True)]
        assert known_users(cases) == (1001,)
        assert conversations(cases)[1][0].user_id == 9001

    def test_chat_ids_are_of_their_kind(self) -> None:
        kinds: list[Any] = ["private", "group", "supergroup", "channel"]
        steps = [conversations([Case(name="a", say="x", chat_type=kind)])[0][0] for kind in kinds]
        assert steps[0].chat_id == steps[0].user_id
        assert -1_000_000_000_000 < steps[1].chat_id < 0
        assert steps[2].chat_id < -1_000_000_000_000
        assert "from" not in steps[3].payload(0.0)["message"]


class TestUpdates:
    def payload(self, **fields: Any) -> dict[str, Any]:
        case = Case(name="a", **fields)
        return conversations([case])[0][0].payload(1_700_000_000.9)

    def test_a_command_is_marked_in_utf_16_units(self) -> None:
        message = self.payload(say="/цена💥 BTC")["message"]
        assert message["entities"] == [{"type": "bot_command", "offset": 0, "length": 7}]
        assert "entities" not in self.payload(say="hello /x")["message"]
        assert "entities" not in self.payload(say="/ x")["message"]

    def test_an_edit_says_when(self) -> None:
        assert self.payload(say="x", kind="edited_message")["edited_message"]["edit_date"] == (
            1_700_000_000
        )

    def test_a_raw_message_is_completed_and_other_updates_are_not(self) -> None:
        raw = self.payload(update={"message": {"dice": {"emoji": "🎲", "value": 3}}})
        assert raw["message"]["chat"]["id"] == 1001
        assert self.payload(update={"telepathy": {"a": 1}}) == {"telepathy": {"a": 1}}

    def test_media_have_no_text(self) -> None:
        for kind in ("photo", "sticker", "location", "member_joined"):
            assert "text" not in self.payload(kind=kind)["message"]


class TestLoadPlan:
    def test_the_modes_share_what_an_undisturbed_pass_takes(self) -> None:
        assert plan(modes=2).share() == 1_914
        assert plan(modes=1).share() == 3_828

    def test_a_budget_that_the_cap_cannot_prove_shares_the_cap(self) -> None:
        assert plan(load=Load(script="s", host="h", max_requests=1_000), modes=2).share() == 500

    def test_nothing_more_is_sent_once_it_is_decided(self) -> None:
        decided = plan()
        decided.take("polling", requests(1_914))
        decided.take("webhook", requests(1_914))
        assert decided.more("webhook", last=True) == 0
        broken = plan()
        broken.take("polling", requests(10, failures=10))
        assert broken.more("webhook", last=True) == 0

    def test_an_undecided_load_may_go_on_to_the_cap(self) -> None:
        undecided = plan()
        undecided.take("polling", requests(1_914, failures=1))
        undecided.take("webhook", requests(1_914))
        assert undecided.more("webhook", last=True) == 12_000 - 2 * 1_914
        assert undecided.before() == f"{2 * 1_914}:1:0"

    def test_a_late_answer_is_a_failure(self) -> None:
        late = plan()
        late.take("polling", requests(10, latency_s=2.0))
        assert late.graded["polling"] == [Grade.FAILED] * 10

    def test_what_the_generator_spoilt_is_sent_again(self) -> None:
        spoilt = plan()
        stood_still = GeneratorHeld(t=13.0, held_s=12.0)
        spoilt.take("polling", [*requests(10, latency_s=2.5), stood_still])
        assert spoilt.graded["polling"] == []
        assert spoilt.more("webhook", last=True) == 12_000

    def starved(self, withheld_s: float) -> Starvation:
        return Starvation((60.0,), (60.0,), (withheld_s,), 0.0)

    def test_what_the_machine_may_have_caused_ends_no_load(self) -> None:
        """Six answers that were late while nothing could go on say nothing of the target."""
        late = [replace(each, stack="polling") for each in requests(6, latency_s=2.2)]
        for withheld_s, grade, more in ((60.0, Grade.UNSURE, 11_994), (0.0, Grade.FAILED, 0)):
            load = plan()
            load.take("polling", late, self.starved(withheld_s))
            assert load.graded["polling"] == [grade] * 6
            assert load.more("polling", last=True) == more

    def test_a_load_that_ended_at_them_is_brought_to_its_share(self) -> None:
        load = plan()
        share = load.share()
        load.take("polling", requests(100))
        assert load.more("polling", last=False) == share - 100
        load.take("polling", requests(share - 150))
        assert load.more("polling", last=False) == 0  # fifty are not worth another start


def test_a_request_log_that_breaks_off_is_read_up_to_there(tmp_path) -> None:
    log = tmp_path / "r.jsonl"
    whole = (
        '{"t":2.0,"intended":1.0,"latency_s":1.0,"name":"/p","ok":false,"status":0,"error":"x"}\n'
    )
    log.write_text(whole + '{"t":3.0,"inten')
    assert read_requests(log, {"stack": "polling", "mode": "polling"}) == [
        Request(
            t=2.0,
            stack="polling",
            mode="polling",
            intended=1.0,
            latency_s=1.0,
            ok=False,
            status=0,
            error="x",
            name="/p",
        )
    ]
    assert read_requests(tmp_path / "none", {}) == []


def test_no_chat_is_written_in_faster_than_telegram_takes_the_answers() -> None:
    """The double's flood control: five messages at once in a chat, then one a second."""
    assert seconds_until_room([], 2, 100.0) == 0
    assert seconds_until_room([100.0, 100.1, 100.2], 2, 100.2) == 0
    assert seconds_until_room([100.0, 100.1, 100.2, 100.2], 2, 100.2) == pytest.approx(0.8)
    assert seconds_until_room([100.0] * 5, 2, 103.0) == 0
    assert seconds_until_room([100.0], 9, 100.0) == pytest.approx(1.0)  # more than ever at once


def test_each_tap_of_a_user_has_an_id_of_its_own_the_same_in_every_run() -> None:
    """Telegram's ids are 64 bits wide; a bot may answer a tap after the next one was sent."""
    cases = [Case(name=name, say="more", kind="callback_query", chat="one") for name in ("a", "b")]
    [steps] = conversations(cases)
    first, second = (step.payload(1.0)["callback_query"]["id"] for step in steps)
    assert first != second
    assert int(first).bit_length() <= 63
    assert first == conversations(cases)[0][0].payload(2.0)["callback_query"]["id"]
