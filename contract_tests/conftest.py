"""What every suite shares."""

import os
from collections.abc import Generator

import pytest

NOT_APPLICABLE = "not applicable: "
"""Begins the reason of a skip that is right everywhere: a combination that does not exist."""


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: the bot, the service and the doubles do."""
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test that lacks a program or a right fail in CI: there everything has to run."""
    report = yield
    if report.skipped and os.environ.get("CI") and isinstance(report.longrepr, tuple):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if not reason.startswith(NOT_APPLICABLE) and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = f"skipped, but CI has to run it: {reason}"
    return report
