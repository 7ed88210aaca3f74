"""`botproof prove --mine`: what is played of a stranger's bot, and how long a play may take."""

from pathlib import Path
from typing import Any

import pytest

from botproof import history
from botproof.config import Config, load_config, parse_config
from botproof.prove.choosing import chosen_cases
from botproof.prove.grounds import why_not, why_unaltered
from botproof.prove.patience import allowed_s, base_s, withheld_s
from botproof.prove.planted import read_wires_of_any_bot
from botproof.prove.playing import Became, Play
from botproof.prove.table import summary
from botproof.proving import shortened

BOT = """
[bot]
command = ["x"]
ready = "telegram"
[modes.polling]
[modes.webhook]
"""


def bot_of(*cases: str) -> Config:
    return parse_config(BOT + "".join(f"[[workload.cases]]\n{case}\n" for case in cases))


def test_of_many_cases_few_of_each_kind_are_played() -> None:
    config = load_config(Path("botproof.toml"))
    names = chosen_cases(config)
    played = [case for case in config.workload.cases if case.name in names]
    assert len(played) == len(names) <= 40 < len(config.workload.cases)
    assert [case.name for case in played] == list(names)
    assert any(case.kind == "edited_message" and case.expect == "silence" for case in played)
    assert any(case.kind == "callback_query" for case in played)
    assert any(case.stranger for case in played)
    assert any("<" in case.say and case.expect == "reply" for case in played)
    assert len({case.say.split()[0] for case in played if case.say.startswith("/")}) >= 12


def test_what_comes_before_it_in_its_chat_is_played_too() -> None:
    many = [f'name = "c{n}"\nsay = "/same {n}"' for n in range(30)]
    chat = [f'name = "{n}"\nsay = "/{n}"\nchat = "room"' for n in ("ask", "yes", "after")]
    chat[0] += "\nafter_s = 1.0"
    names = chosen_cases(bot_of(*many, *chat))
    assert names == ("c0", "ask", "yes", "after")


def test_few_cases_are_all_played() -> None:
    assert chosen_cases(bot_of('name = "a"\nsay = "/a"')) == ()


def test_modes_that_are_not_compared_are_played_once() -> None:
    catalogue = shortened(read_wires_of_any_bot(), bot_of('name = "a"\nsay = "/a"'))
    assert catalogue.plans["any"].modes == ("polling",)
    assert catalogue.plans["any-modes"].modes == ()


@pytest.mark.parametrize(("control_s", "base"), [(10.0, 240.0), (100.0, 400.0), (None, 960.0)])
def test_a_slow_bot_has_more_time(control_s: float | None, base: float) -> None:
    assert base_s(control_s) == base


def test_what_is_withheld_is_added_up_to_nine_times_as_much() -> None:
    assert allowed_s(240.0, 100.0) == 340.0
    assert allowed_s(240.0, 9_999.0) == 2_400.0


def test_what_stacks_beside_each_other_lost_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    assert withheld_s(path) == 0.0
    events: list[history.Event] = []
    for stack, late in (("polling", 0.5), ("webhook", 1.0)):
        labels: dict[str, Any] = {"stack": stack, "mode": stack}
        events += [
            history.Starved(t=at, over_s=1.0, late_s=late, cpus=2, **labels)
            for at in (101.0, 102.0, 103.0)
        ]
    events.append(history.Phase(t=103.0, name="boot", edge="begin"))
    lines = [history.encode(event) for event in events]
    path.write_bytes(b"\n".join(lines) + b'\n{"type":"starved","t":1')
    assert withheld_s(path) == pytest.approx(2.0)


USERS = '[bot.env]\nALLOWED = "{users}"\n'
STRANGER = '[[workload.cases]]\nname = "a"\nsay = "/a"\nstranger = true\nexpect = "silence"\n'


@pytest.mark.parametrize(
    ("more", "because"),
    [("", "nothing asks who somebody is: no {users}"), (USERS, ""), (STRANGER, "")],
)
def test_where_nobody_is_kept_out_nobody_can_be_taken_for_another(more: str, because: str) -> None:
    config = parse_config(BOT + more)
    assert why_not("users", config, history.History([])).startswith(because)
    assert bool(why_not("users", config, history.History([]))) == bool(because)


def edit(**fields: Any) -> history.CasePlayed:
    given: dict[str, Any] = {"case": "edited", "chat_id": 1, "expect": "silence", "update_id": 7}
    return history.CasePlayed(t=1.0, sent={"edited_message": {}}, **given | fields)


@pytest.mark.parametrize(
    ("cases", "because"),
    [
        ([], "no case edits a message that is to stay unanswered"),
        ([edit(expect="reply")], "no case edits a message that is to stay unanswered"),
        ([edit(update_id=0)], "the bot does not ask Telegram for edited messages"),
        ([edit(update_id=0), edit()], ""),
    ],
)
def test_edits_that_never_reach_a_bot_can_break_no_silence(
    cases: list[history.CasePlayed], because: str
) -> None:
    told = why_not("edits", parse_config(BOT), history.History(cases))
    assert told.startswith(because)
    assert bool(told) == bool(because)


def test_a_wire_that_altered_nothing_shows_nothing() -> None:
    poll = history.DoubleEvent(t=1.0, double="telegram_double", kind="poll")
    altered = history.DoubleEvent(t=2.0, double="telegram_double", kind=history.ALTERED)
    told = why_unaltered(history.History([poll]))
    assert told.startswith("nothing that passed between the bot and Telegram was altered")
    assert why_unaltered(history.History([poll, altered])) == ""


def test_what_does_not_apply_counts_neither_way() -> None:
    defect = next(each for each in read_wires_of_any_bot().defects if each.needs == "edits")
    plays = [Play(defect, Became.RED), Play(defect, Became.NOT_HERE, "none reaches it")]
    assert not any(play.void for play in plays)
    assert summary(plays).startswith("1 of 1 planted defects are red for the right reason")
    assert summary(plays).endswith("; 1 defect more does not apply")
