"""What a double's transcript tells stands in the history, with all that checks read of it."""

from typing import Any

import pytest

from botproof import history
from botproof.targets.doubles import to_event

LABELS = {"stack": "polling", "mode": "polling"}
COMMON: dict[str, Any] = {"t": 1.5, **LABELS}
CALL: dict[str, Any] = {"venue": "okx", "path": "/api/v5/market/ticker", "query": {"instId": "A"}}
TOOK: dict[str, Any] = {"status": 200, "duration_s": 0.3, "own_s": 0.2}
REFUSED: dict[str, Any] = {"params": {"chat_id": 1}, "status": 429, "error_code": 429}


@pytest.mark.parametrize(
    ("raw", "event"),
    [
        (
            {"type": "confirm", "update_ids": [5, 6, 7], "door": "polling"},
            history.UpdateConfirmed(update_ids=(5, 6, 7), door="polling", **COMMON),
        ),
        (
            {"type": "confirm", "update_id": 5, "door": "webhook"},
            history.UpdateConfirmed(update_ids=(5,), door="webhook", **COMMON),
        ),
        (
            {"type": "deliver", "update_id": 5, "door": "webhook", "attempt": 2, "status": 502},
            history.UpdateDelivered(update_id=5, door="webhook", attempt=2, status=502, **COMMON),
        ),
        (
            {"type": "deliver", "update_id": 5, "error": "reset", "duration_s": 0.25},
            history.UpdateDelivered(
                update_id=5,
                door="",
                attempt=1,
                status=None,
                error="reset",
                duration_s=0.25,
                **COMMON,
            ),
        ),
        (
            {"type": "call", "method": "sendMessage", **REFUSED, "description": "Too Many"},
            history.BotApiCall(method="sendMessage", **REFUSED, description="Too Many", **COMMON),
        ),
        (
            {"type": "venue_call", **CALL, **TOOK, "carried": {"OK-ACCESS-KEY": "ab12"}},
            history.VenueCall(**CALL, **TOOK, carried={"OK-ACCESS-KEY": "ab12"}, **COMMON),
        ),
        (
            {"type": "venue_call", **CALL, "status": 404, "unserved": "GET /nowhere"},
            history.VenueCall(**CALL, status=404, unserved="GET /nowhere", **COMMON),
        ),
        (
            {"type": "webhook_set", "seq": 9, "url": "http://127.0.0.1/webhook"},
            history.DoubleEvent(
                double="it",
                kind="webhook_set",
                detail={"url": "http://127.0.0.1/webhook"},
                **COMMON,
            ),
        ),
    ],
)
def test_an_entry_of_a_transcript_is_recorded_whole(
    raw: dict[str, Any], event: history.Event
) -> None:
    assert to_event({"t": 1.5, **raw}, "it", LABELS) == event
