"""A processor that a bot uses up while nobody asks: told by the record's own samples of time."""

from typing import Any

import msgspec
import pytest

from botproof import history
from botproof.checks import memory
from botproof.checks.spinning import spinning
from botproof.verdict import Verdict

LABELS: dict[str, Any] = {"stack": "polling", "mode": "polling"}


def load(ran: float, seconds: int = 30, *, waited: float = 0.0) -> list[history.Event]:
    """A load of the services, while the bot has had so much of a processor, and waited for it."""
    times: dict[str, Any] = {"ran_s": {"bot": ran, "prices": 1.9}, "waited_s": {"bot": waited}}
    samples = [history.Starved(t=101.0 + n, over_s=1.0, **times, **LABELS) for n in range(seconds)]
    edges = [
        history.Phase(t=at, name="load", edge=edge, **LABELS)
        for at, edge in ((100.0, "begin"), (100.5 + seconds, "end"))
    ]
    return [*edges, *samples]


def test_a_bot_that_spins_is_told() -> None:
    (line,) = spinning(history.History(load(0.97)), "load")
    assert line == (
        "bot (polling) wants 97 % of a processor while nobody asks it anything, and had 97 %, over "
        "30 s: some loop waits for nothing"
    )


def test_it_is_told_on_a_busy_machine_too() -> None:
    (line,) = spinning(history.History(load(0.17, waited=0.79)), "load")
    assert "wants 96 % of a processor while nobody asks it anything, and had 17 %" in line


@pytest.mark.parametrize(
    "healthy",
    [
        load(0.02),
        load(0.01, waited=0.9),  # it waits at each of its few steps
        load(0.5),  # it reads the whole market all the time
        load(0.97, seconds=5),  # it is still at its start
        [*load(0.97), history.UpdateInjected(t=110.0, update_id=1, **LABELS)],  # it is asked
    ],
)
def test_healthy_bots_are_left_alone(healthy: list[history.Event]) -> None:
    assert list(spinning(history.History(healthy), "load")) == []


def test_memory_is_red(story, judging) -> None:
    story.healthy()
    assert memory.check(story.history(), judging).verdict is Verdict.PASS
    later = [msgspec.structs.replace(event, t=event.t + 900.0) for event in load(0.97)]
    story.add(*later)
    result = memory.check(story.history(), judging)
    assert result.verdict is Verdict.FAIL
    assert "bot (polling) wants" in result.measurement
