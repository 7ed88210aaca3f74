"""The promise in full: 5,000 updates and 50 kills, at each door, with both inboxes.

About two minutes each: run by `.ci/run` with the tests that need a Docker engine.
"""

from typing import Any

import pytest

from botproof.verdict import Verdict

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900)]

RATES = {"polling": 60.0, "webhook": 60.0, "lambda": 35.0}
"""Updates a second: what makes the run last as long as 50 restarts need to be told apart."""


@pytest.mark.parametrize("inbox", ["sqlite", "redis"])
@pytest.mark.parametrize("door", list(RATES))
def test_nothing_lost_nothing_twice_the_order_kept(
    deliver: Any, door: str, inbox: str, redis_server: Any
) -> None:
    env = {"REDIS_URL": redis_server.url} if inbox == "redis" else {}
    outcome = deliver(mode=door, updates=5000, kills=50, rate=RATES[door], env=env)
    found = outcome.result("delivery")

    assert outcome.verdict is Verdict.PASS, (found.measurement, *found.evidence)
    assert (found.data["updates"], found.data["kills"]) == (5010, 50)
    assert found.data["lost"] == found.data["out_of_order"] == 0
    assert found.data["repeated"] <= 50
    assert found.data["kills_at_work"] >= 15
