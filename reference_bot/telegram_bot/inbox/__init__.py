"""The durable inbox: every update is here before Telegram hears that we have it.

`model` says what an inbox promises; `sqlite` and `redis` are the two that keep it.
"""

from reference_bot.telegram_bot.inbox.model import (
    DeadLetter,
    Inbox,
    InboxInUseError,
    InboxUnavailableError,
    Job,
    LeaseLostError,
    Progress,
    Put,
    Rules,
    Update,
    UpdateRefusedError,
)

__all__ = [
    "DeadLetter",
    "Inbox",
    "InboxInUseError",
    "InboxUnavailableError",
    "Job",
    "LeaseLostError",
    "Progress",
    "Put",
    "Rules",
    "Update",
    "UpdateRefusedError",
]
