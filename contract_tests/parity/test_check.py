"""The check "conversations" on hand-written histories."""

from typing import Any

import pytest

from botproof.checks import conversations
from botproof.checks.conversations import LEAST
from botproof.checks.judging import Judging
from botproof.checks.playing import OTHER_ORDER
from botproof.history import ConversationsCompared, History
from botproof.verdict import CheckResult, Verdict

FINDING: dict[str, Any] = {
    "number": 4,
    "conversation": {"steps": [{"do": "say", "text": "/price btc"}]},
    "sides": [
        {"door": "polling", "rooms": {"alice": "one\ntwo\nthree"}},
        {"door": "webhook", "rooms": {"alice": "one\nthree"}},
    ],
    "saved": "reports/parity/difference-1.json",
}


def judged(**fields: Any) -> CheckResult:
    given: dict[str, Any] = {
        "doors": ("polling", "webhook"),
        "conversations": LEAST,
        "steps": 90,
        **fields,
    }
    event = ConversationsCompared(t=1.0, sentinel="/help", **{**given, **fields})
    return conversations.check(History([event]), Judging())


def test_no_run_is_no_evidence() -> None:
    assert conversations.check(History([]), Judging()).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, Verdict.PASS),
        ({"conversations": LEAST - 1}, Verdict.INCONCLUSIVE),
        ({"conversations": 0}, Verdict.INCONCLUSIVE),
        ({"conversations": 1, "replayed": True}, Verdict.PASS),
        ({"doors": ("polling",)}, Verdict.INCONCLUSIVE),
        ({"late": 3}, Verdict.PASS),
        ({"flaky": ({**FINDING, "again": FINDING["sides"]},)}, Verdict.INCONCLUSIVE),
        ({"unanswered": (FINDING,)}, Verdict.INCONCLUSIVE),
        ({"differences": (FINDING,)}, Verdict.FAIL),
        ({"differences": (FINDING,), "flaky": (FINDING,)}, Verdict.FAIL),
        ({"ended": "webhook: bot ended on its own"}, Verdict.FAIL),
    ],
)
def test_verdicts(fields: dict[str, Any], verdict: Verdict) -> None:
    assert judged(**fields).verdict is verdict


def test_a_difference_is_told_with_its_conversation_in_two_columns() -> None:
    lines = judged(differences=(FINDING,)).evidence
    assert "1. alice says: /price btc" in lines
    assert "alice:" in lines
    assert any(line.split("|")[0].strip() == "two" for line in lines if "|" in line)
    assert lines[-1] == "again: botproof parity --replay reports/parity/difference-1.json"


def test_a_difference_in_the_first_messages_is_a_difference_and_says_so() -> None:
    result = judged(differences=({**FINDING, "learning": True}, FINDING))
    assert result.verdict is Verdict.FAIL
    assert result.evidence[0] == "the first messages after the start were answered differently:"
    assert "the shortest conversation that shows the difference:" in result.evidence


def test_what_telegram_refused_is_told_below_the_difference() -> None:
    refused = ["sendMessage: 400 Bad Request: can't parse entities"]
    sides = [FINDING["sides"][0], {**FINDING["sides"][1], "refused": refused}]
    lines = judged(differences=({**FINDING, "sides": sides},)).evidence
    assert ("webhook: Telegram refused sendMessage: 400 Bad Request: can't parse entities") in lines


def test_another_order_is_told_apart() -> None:
    sides = [
        {"door": "polling", "rooms": {"alice": "one\ntwo"}},
        {"door": "webhook", "rooms": {"alice": "two\none"}},
    ]
    (finding,) = ({**FINDING, "sides": sides},)
    assert f"  {OTHER_ORDER}" in judged(differences=(finding,)).evidence
    assert f"  {OTHER_ORDER}" not in judged(differences=(FINDING,)).evidence


def test_what_broke_off_names_the_conversation() -> None:
    result = judged(ended="webhook: bot ended", ended_in=FINDING["conversation"])
    assert result.evidence == ("webhook: bot ended", "1. alice says: /price btc")


def test_only_the_last_comparison_counts() -> None:
    common: dict[str, Any] = {"doors": ("a", "b"), "conversations": LEAST}
    bad = ConversationsCompared(t=1.0, differences=(FINDING,), **common)
    good = ConversationsCompared(t=2.0, **common)
    assert conversations.check(History([bad, good]), Judging()).verdict is Verdict.PASS
