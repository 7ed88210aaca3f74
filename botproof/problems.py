"""Errors that the person at the command line can put right."""

from __future__ import annotations


class UsageError(Exception):
    """A command cannot be carried out as it was given. The message is for the user as it is."""
