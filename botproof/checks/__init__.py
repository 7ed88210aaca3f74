"""Checks: pure functions from a history and its judging settings to a result."""
