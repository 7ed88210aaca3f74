"""The durable inbox: every update is here before Telegram hears that we have it.

`model` says what an inbox promises; `sqlite` and `redis` are the two that keep it.
"""

from reference_bot.telegram_bot.inbox.model import (
    Inbox,
    InboxUnavailableError,
    Job,
    LeaseLostError,
    Progress,
    Put,
    Update,
)

__all__ = ["Inbox", "InboxUnavailableError", "Job", "LeaseLostError", "Progress", "Put", "Update"]
