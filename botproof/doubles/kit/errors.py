"""What is wrong with a request to a double's control interface."""

from __future__ import annotations


class ControlError(ValueError):
    """A request to the control interface that cannot be done; the text says what would be right."""


class UnknownError(LookupError):
    """Something that a request to the control interface names and that is not there."""
