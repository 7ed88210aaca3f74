"""All checks of the gate by name, in the order in which a person wants to read them."""

from __future__ import annotations

from collections.abc import Mapping

from botproof.checks import (
    boot,
    conversations,
    degradation,
    delivery,
    door,
    errors,
    golden,
    latency,
    memory,
    parity,
    rollback,
    security,
    signals,
)
from botproof.checks.judging import Check

CHECKS: Mapping[str, Check] = {
    "boot": boot.check,
    "door": door.check,
    "security": security.check,
    "golden": golden.check,
    "parity": parity.check,
    "conversations": conversations.check,
    "degradation": degradation.check,
    "delivery": delivery.check,
    "signals": signals.check,
    "latency": latency.check,
    "errors": errors.check,
    "rollback": rollback.check,
    "memory": memory.check,
}
"""What a history may ask to be judged by, of the gate or of another run."""
