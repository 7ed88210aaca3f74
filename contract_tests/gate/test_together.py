"""Who asks at the same moment as others is told what they asked themselves."""

from pathlib import Path

import pytest

from botproof.chats import ReplyRules
from botproof.checks import door
from botproof.checks.judging import Judging
from botproof.checks.together import crossed
from botproof.config import load_config, parse_config
from botproof.history import AskedTogether, DoorAsked, History, Run
from botproof.verdict import Verdict
from botproof.workloads.vocabulary import AT_ONCE, questions_together

BTC, ETH = "BTC/USDT\nPrice: $67,187.33", "ETH/USDT\nPrice: $3,954.18"
RULES = ReplyRules()


def moment(
    btc: str, eth: str = ETH, alone: tuple[str, str] = (BTC, ETH), burst: int = 0
) -> list[AskedTogether]:
    """What two were answered who asked at the same moment, and then alone."""
    said = {"/price BTC": (btc, alone[0]), "/price ETH": (eth, alone[1])}
    return [
        AskedTogether(
            t=1.0, text=text, burst=burst, answers=(told,), alone=(own,), stack="w", mode="w"
        )
        for text, (told, own) in said.items()
    ]


def test_another_one_s_answer_is_told_with_both_questions() -> None:
    (finding,) = crossed(moment(ETH), RULES)
    assert finding.text == (
        "/price BTC at the same moment as /price ETH → 'Price: $3,954.18', which is the answer to "
        "/price ETH; alone → 'BTC/USDT'"
    )


def test_lines_without_figures_count_where_one_has_some() -> None:
    hour, quarter = "1h\nTrend: up\nCVD: 1,173", "15m\nTrend: flat\nCVD: 471"
    (finding,) = crossed(moment(quarter, quarter, (hour, quarter)), RULES)
    assert "'CVD: 471', which is the answer to /price ETH; alone → '1h'" in finding.text
    hour, quarter = "1h\nCVD: 1,173", "15m\nCVD: 1,173"
    (finding,) = crossed(moment(quarter, quarter, (hour, quarter)), RULES)
    assert "→ '15m', which is the answer to /price ETH; alone → '1h'" in finding.text


@pytest.mark.parametrize(
    "healthy",
    [
        moment(BTC),
        moment("BTC/USDT\nPrice: $67,190.01"),  # the market went on
        moment("Market data took too long"),  # the machine was slow
        moment("Sorry, try again", "Sorry, try again", ("Sorry, try again", ETH)),
        moment(ETH, ETH, (ETH, ETH)),  # two spellings of one question
    ],
)
def test_what_is_nobody_else_s_is_no_finding(healthy: list[AskedTogether]) -> None:
    assert list(crossed(healthy, RULES)) == []


def test_the_door_is_red_where_it_is_so_each_time() -> None:
    once, twice = moment(ETH), moment(ETH, burst=1)
    good = moment(BTC, burst=1)
    hello = DoorAsked(t=1.0, what="again", sent="/start", answers=("hi",), stack="w", mode="w")
    judged = {
        name: door.check(History([Run(t=0.0, modes=("w",)), hello, *events]), Judging())
        for name, events in {
            "once": once,
            "then well": [*once, *good],
            "twice": [*once, *twice],
        }.items()
    }
    verdicts = {name: result.verdict for name, result in judged.items()}
    assert verdicts == {"once": Verdict.PASS, "then well": Verdict.PASS, "twice": Verdict.FAIL}
    assert "(1 of 2 questions). What a question is about" in judged["twice"].measurement


def test_some_of_one_command_and_some_of_the_same_words_are_asked() -> None:
    asked = questions_together(load_config(Path("botproof.toml")))
    assert len(asked) == len(set(asked)) == AT_ONCE
    assert {"/price BTC", "/price HYPE", "/analysis BTC", "/cvd BTC", "/cvd BTC 15m"} <= {*asked}
    assert not any("balance" in text for text in asked)


def test_what_depends_on_what_was_said_before_is_not_asked() -> None:
    cases = "".join(
        f'[[workload.cases]]\nname = "{n}"\nsay = "/add {n}"\n{more}\n'
        for n, more in enumerate(("", 'chat = "a"', 'expect = "silence"', "replies = 2", ""))
    )
    bot = '[bot]\ncommand = ["x"]\nready = "telegram"\n[modes.polling]\n'
    assert questions_together(parse_config(bot + cases)) == ("/add 0", "/add 4")
