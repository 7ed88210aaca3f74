"""What a service counts for Prometheus, in a registry of its own: no global state."""

from typing import Final

from prometheus_client import CollectorRegistry, generate_latest


class Instruments:
    """The instruments of one service; ``text`` is the body of ``GET /metrics``."""

    content_type: Final = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def text(self) -> bytes:
        """Return what was counted until now, in Prometheus' text format."""
        return generate_latest(self.registry)
