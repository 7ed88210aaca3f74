"""What a check says, for tests of its words, and what it is said of."""

from typing import Any

from botproof.history import SignalSeen
from botproof.verdict import CheckResult


def text_of(result: CheckResult) -> str:
    """Return the measurement and the evidence, a line each."""
    return "\n".join([result.measurement, *result.evidence])


def signal(**fields: Any) -> SignalSeen:
    """A signal that came to the first subscriber of a bot that was started again."""
    given: dict[str, Any] = {"chat_id": 1, "text": "BTC LONG 91,210.46", "slot": 104.0}
    given |= {"after_s": 1.0, "life": 2, "stack": "polling", "mode": "polling", **fields}
    return SignalSeen(t=1.0, **given)
