"""What a check says, for tests of its words."""

from botproof.verdict import CheckResult


def text_of(result: CheckResult) -> str:
    """Return the measurement and the evidence, a line each."""
    return "\n".join([result.measurement, *result.evidence])
