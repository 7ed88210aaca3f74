"""The bot's benchmark: its arithmetic, its refusals, and one tiny run of the real thing."""

from collections.abc import Iterable
from typing import Any

import pytest

from botproof.bench import Aim, CannotMeasureError, compare
from botproof.bench import bot as bench
from botproof.bench._answers import Answers


def asked(t: float, chat: int) -> dict[str, Any]:
    return {"type": "inject", "t": t, "update": {"message": {"chat": {"id": chat}}}}


def said(t: float, chat: int | str, text: str = "figures", **more: Any) -> dict[str, Any]:
    params = {"chat_id": chat, "text": text}
    return {"type": "call", "method": "sendMessage", "status": 200, "t": t, "params": params} | more


def answers(events: Iterable[dict[str, Any]]) -> Answers:
    found = Answers("^⏳")
    found.take(events)
    return found


def test_answers_belong_to_the_questions_of_their_chat_in_order() -> None:
    found = answers([asked(0, 1), asked(1, 2), asked(2, 1), said(3, "2"), said(4, 1), said(6, 1)])
    seen = found.observed(until=9)
    assert seen.latencies_ms() == [2000, 4000, 4000]
    assert seen.rate() == 3 / 6


def test_only_what_was_accepted_and_says_something_is_an_answer() -> None:
    edit = {"method": "editMessageText"}
    found = answers(
        [
            asked(0, 1),
            said(1, 1, status=429),
            said(2, 1, "⏳ Still working on it…"),
            {"type": "call", "method": "getUpdates", "status": 200, "t": 2, "params": {}},
            {"type": "deliver", "t": 2},
            said(3, 1, "figures", **edit),
        ]
    )
    assert found.observed(until=9).latencies_ms() == [3000]
    assert (found.texts, found.open, found.superfluous) == ({"figures"}, 0, 0)


def test_who_was_not_answered_stays_in_the_figures() -> None:
    seen = answers([asked(0, 1), asked(1, 2), asked(2, 3), said(3, 1)]).observed(until=12)
    assert seen.latencies_ms() == [3000, 11000, 10000]
    assert seen.rate_within(2) == 0
    assert seen.rate_within(4) == 1 / 4


def test_an_answer_too_many_is_noticed() -> None:
    assert answers([asked(0, 1), said(1, 1), said(2, 1)]).superfluous == 1


@pytest.mark.parametrize(("ours", "met"), [(599.0, False), (600.0, True)])
def test_an_aim_for_the_ratio_is_judged_by_the_ratio(ours: float, met: bool) -> None:
    row = compare("replies", "1/s", [ours], [10.0], aim=Aim(60, at_most=False, of_ratio=True))
    assert (row.aim, row.met) == ("≥ 60×", met)


def test_a_ratio_that_is_not_there_is_not_judged() -> None:
    assert compare("replies", "1/s", [1.0], aim=Aim(60, at_most=False, of_ratio=True)).met is None


def test_bots_that_answer_differently_are_not_compared() -> None:
    with pytest.raises(CannotMeasureError, match="webhook: sorry"):
        bench._same_replies({"polling": {"figures"}, "webhook": {"sorry"}})


def test_outside_the_project_it_says_what_is_missing(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CannotMeasureError, match=r"botproof\.toml: cannot be read"):
        bench._sides()


@pytest.mark.slow
@pytest.mark.anyio
async def test_every_side_is_measured() -> None:
    plan = bench.Plan(
        runs=1, slow_runs=1, stream_runs=1, users=4, newcomers=1, rate=10.0, stream_s=1.0
    )
    results = await bench.measure(plan)
    found = {row.metric: row for row in bench.rows(results, plan)}
    assert all(len(result.bursts) == len(result.streams) == 1 for result in results.values())
    assert found["burst, polling/default: replies"].aim == "≥ 60×"
    assert found["memory, webhook/concurrent: PSS"].ours > 10
