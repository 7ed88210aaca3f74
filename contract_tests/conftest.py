"""Fixtures that every suite shares."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: the bot, the service and the doubles do."""
    return "asyncio"
