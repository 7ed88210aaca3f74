"""The record of a process that serves, for tests of what it keeps of each."""

from collections.abc import Sequence
from typing import Any

from botproof import history


def phase_of_serving(
    times: Sequence[float], phase: str, role: str, labels: dict[str, Any]
) -> list[history.Event]:
    """Return a phase in which a bot is brought an update at each time, or a service is asked."""
    events: list[history.Event] = [
        history.Phase(t=times[0], name=phase, edge="begin", **labels),
        history.Phase(t=times[-1], name=phase, edge="end", **labels),
    ]
    for number, at in enumerate(times):
        if role == "service":
            events.append(history.Request(t=at, intended=at, latency_s=0.0, ok=True, **labels))
        else:
            events.append(
                history.UpdateDelivered(t=at, update_id=number, attempt=1, door="polling", **labels)
            )
    return events
