"""What a double does not serve, or is slow with, is never held against the bot; and it is named."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from botproof import history
from botproof.checks.judging import Judging, run_checks
from botproof.checks.registry import CHECKS
from botproof.history import History
from botproof.verdict import Verdict

CURRENCIES = "gate: GET /api/v4/spot/currencies"


def told(results) -> dict[str, Verdict]:
    return {result.check: result.verdict for result in results}


@pytest.fixture
def unknown(story):
    """A bot that says "Unknown" where the exchange double does not know what it asks for."""
    for mode in story.modes:
        story.lifetime(mode)
        story.case(mode, "price", "BTC/USDT (Unknown)")
        story.case(mode, "help", "commands", say="/help")
    return story


@pytest.fixture
def judging() -> Callable[..., Judging]:
    return Judging


def judge(story, judged, *names: str):
    return run_checks(CHECKS, names, History(story.events), judged)


def asked(story, mode: str, **fields) -> history.VenueCall:
    """A call in the middle of the case "price" of one mode."""
    case = next(e for e in story.events if isinstance(e, history.CasePlayed) and e.mode == mode)
    about = {"venue": "gate", "path": "/api/v4/spot/currencies", "status": 404, **fields}
    return history.VenueCall(t=case.t + 0.05, **about, **story.labels(mode))


APPROVED = {
    "price": "you: /price BTC\n--- message (HTML)\nBTC/USDT 95,000\n",
    "help": "you: /help\n--- message (HTML)\ncommands\n",
}


def test_a_reply_that_a_gap_of_the_double_may_explain_is_no_fail(unknown, judging) -> None:
    judged = judging(approved=APPROVED)
    assert told(judge(unknown, judged, "golden")) == {"golden": Verdict.FAIL}
    for mode in unknown.modes:
        unknown.add(asked(unknown, mode, unserved=CURRENCIES))
    doubles, golden = judge(unknown, judged, "golden")
    assert (doubles.verdict, golden.verdict) == (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)
    assert f"the exchange double does not serve {CURRENCIES} (2 x)" in golden.measurement
    assert "-BTC/USDT 95,000" in golden.evidence
    assert doubles.evidence == (f"the exchange double does not serve {CURRENCIES} (2 x)",)


def test_a_reply_that_no_gap_explains_fails_all_the_same(unknown, judging) -> None:
    judged = judging(
        approved={**APPROVED, "help": "you: /help\n--- message (HTML)\nall commands\n"}
    )
    for mode in unknown.modes:
        unknown.add(asked(unknown, mode, unserved=CURRENCIES))
    doubles, golden = judge(unknown, judged, "golden")
    assert (doubles.verdict, golden.verdict) == (Verdict.PASS, Verdict.FAIL)


def test_modes_that_differ_after_a_gap_are_no_fail(story, judging) -> None:
    for mode in story.modes:
        story.lifetime(mode)
        story.case(mode, "price", "Unknown" if mode == "webhook" else "95,000")
        story.case(mode, "help", "commands", say="/help")
    assert told(judge(story, judging(), "parity")) == {"parity": Verdict.FAIL}
    story.add(asked(story, "webhook", unserved=CURRENCIES))
    assert told(judge(story, judging(), "parity"))["parity"] is Verdict.INCONCLUSIVE


def test_a_process_that_ends_after_a_gap_at_its_start_is_no_fail(story, judging) -> None:
    labels = story.labels("polling")
    who = {"process": "market_data", "role": "service", **labels}
    story.add(
        history.ProcessStarted(t=1.0, pid=1, command=("x",), **who),
        history.ProcessNotReady(t=3.0, after_s=2.0, reason="ended with exit code 1", **who),
    )
    assert told(judge(story, judging(), "boot")) == {"boot": Verdict.FAIL}
    story.add(
        history.VenueCall(t=2.0, venue="gate", path="/x", status=404, unserved=CURRENCIES, **labels)
    )
    assert told(judge(story, judging(), "boot"))["boot"] is Verdict.INCONCLUSIVE


def test_a_bot_that_trusts_no_double_is_no_fail_and_says_so(story, judging) -> None:
    """It never became ready for that, and how it was then ended says nothing."""
    labels = story.labels("polling")
    who = {"process": "bot", "role": "bot", **labels}
    story.add(
        history.ProcessStarted(t=1.0, pid=1, command=("x",), **who),
        history.ProcessNotReady(t=31.0, after_s=30.0, reason="not ready after 30.0 s", **who),
        history.ProcessExited(t=32.0, code=-15, expected=True, after_s=0.1, **who),
    )
    assert told(judge(story, judging(), "boot")) == {"boot": Verdict.FAIL}
    detail = {"host": "api.telegram.org", "why": "bad certificate"}
    story.add(
        history.DoubleEvent(t=2.0, double="telegram", kind="distrusted", detail=detail, **labels)
    )
    doubles, boot = judge(story, judging(), "boot")
    assert boot.verdict is Verdict.INCONCLUSIVE
    assert doubles.evidence[0].startswith(
        "a client does not trust the double of api.telegram.org (TLS: bad certificate)"
    )


@pytest.mark.parametrize(("own_s", "verdict"), [(0.1, Verdict.FAIL), (1.2, Verdict.INCONCLUSIVE)])
def test_a_reply_that_is_late_for_the_double_alone_is_no_fail(
    story, judging, own_s: float, verdict: Verdict
) -> None:
    for mode in story.modes:
        story.lifetime(mode)
        story.case(mode, "price", "95,000", after_s=2.5)
        story.case(mode, "help", "commands", say="/help")
        case = next(e for e in story.events if isinstance(e, history.CasePlayed) and e.mode == mode)
        story.add(
            history.VenueCall(
                t=case.t + 2.0, venue="gate", path="/x", own_s=own_s, **story.labels(mode)
            )
        )
    (result,) = [e for e in judge(story, judging(), "latency") if e.check == "latency"]
    assert result.verdict is verdict
    if verdict is Verdict.FAIL:  # the double's own part stands beside the time, for each late reply
        late = "price (polling) /price BTC: 2.50 s, of which the exchange double took 0.10 s"
        assert late in result.evidence


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            {"double": "names", "kind": "unknown_host", "detail": {"host": "api.coingecko.com"}},
            "no double stands for the host api.coingecko.com",
        ),
        (
            {
                "double": "resolver",
                "kind": history.REFUSED_ADDRESS,
                "detail": {"process": "bot", "address": "192.0.2.7:443"},
            },
            "the bot tried to reach 192.0.2.7:443: it was refused",
        ),
    ],
)
def test_a_host_or_address_that_no_double_stands_for_is_named(
    unknown, judging, event: Mapping[str, Any], said: str
) -> None:
    for mode in unknown.modes:
        case = asked(unknown, mode)
        unknown.add(history.DoubleEvent(t=case.t, **event, **unknown.labels(mode)))
    _, golden = judge(unknown, judging(approved=APPROVED), "golden")
    assert golden.verdict is Verdict.INCONCLUSIVE
    assert said in golden.measurement


@pytest.mark.parametrize("status", [500, 200])
def test_an_error_at_the_door_that_a_refused_address_may_explain_is_no_fail(
    unknown, judging, status: int
) -> None:
    """A bot whose database is out of reach answers all with 500; what it lets in is its own."""
    mode = unknown.modes[0]
    about = {"url": "http://127.0.0.1/hook", "sent": "/start", **unknown.labels(mode)}
    end = max(event.t for event in unknown.events)
    for number, (what, code) in enumerate((("first", None), ("no_secret", status))):
        answers = ("hello",) if what == "first" or status < 500 else ()
        unknown.add(
            history.DoorAsked(t=end + number, what=what, status=code, answers=answers, **about)
        )
    unknown.add(history.DoorAsked(t=end + 2, what="no_json", status=status, **about))
    unknown.add(
        history.DoubleEvent(
            t=end + 1.5,
            double="resolver",
            kind=history.REFUSED_ADDRESS,
            detail={"process": "bot", "address": "192.0.2.7:3306"},
            **unknown.labels(mode),
        )
    )
    _, door = judge(unknown, judging(), "door")
    assert door.verdict is (Verdict.INCONCLUSIVE if status == 500 else Verdict.FAIL)
