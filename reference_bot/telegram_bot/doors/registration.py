"""What getWebhookInfo tells, held against what this bot has set. Pure.

Telegram's clock may be another than ours: an error is new when its date is another than before.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from telegram import WebhookInfo

from reference_bot.telegram_bot.telegram_api import ALLOWED_UPDATES

_ANSWERED_WITHIN: Final = 65.0  # Telegram waits a minute for an answer, then calls that an error
_FRESH_SECONDS: Final = 180.0  # and tries again at least every minute
_SILENT_SECONDS: Final = 75.0  # so this long without any call it does not even try


class Registration:
    """What Telegram should have, and what it says of bringing updates there."""

    def __init__(
        self, url: str, max_connections: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._max_connections = max_connections
        self._clock = clock
        self._just_set = self._address_due = True
        self._addresses: set[str] = set()
        self._suspect: str | None = None
        self._error_date: datetime | None = None
        self._sync_date: datetime | None = None
        self._error_at: float | None = None
        self._called_at: float | None = None
        self._waiting_since: float | None = None
        self._secret_refused = False

    def called(self, *, refused: bool) -> None:
        """Note that somebody has called the webhook; ``refused``: with another secret,
        or without one."""
        if refused:
            self._secret_refused = True
        else:
            self._called_at = self._clock()

    def was_set(self) -> None:
        """Note that it has just been set by this bot: what is told next is the state to
        compare with."""
        self._just_set = self._address_due = True
        self._secret_refused = False

    def news(self, info: WebhookInfo) -> list[str]:
        """Return what Telegram had not told before, for the log. To be called once for
        each ``info``."""
        said = []
        if info.last_error_date != self._error_date:
            self._error_date = info.last_error_date
            if not self._just_set:
                self._error_at = self._clock()
                said.append(f"Telegram could not bring an update: {info.last_error_message}")
        if info.last_synchronization_error_date != self._sync_date:
            self._sync_date = info.last_synchronization_error_date
            if not self._just_set:
                said.append("Telegram says that it could not fetch this bot's updates itself")
        return said

    def strange_address(self, info: WebhookInfo) -> str | None:
        """Return the address that somebody else had bound the webhook to, once it is known that
        they had.

        An address that changes may have changed in the DNS. If it changes back by setting the
        webhook again, which binds it to none, it had been bound.
        """
        self._just_set = False
        if not self._address_due or not info.ip_address:
            return None
        self._address_due = False
        suspect, self._suspect = self._suspect, None
        self._addresses.add(info.ip_address)
        return suspect if suspect != info.ip_address else None

    def moved(self, info: WebhookInfo) -> bool:
        """Tell whether Telegram takes another address of the host than before."""
        new = info.ip_address
        if not new or not self._addresses or new in self._addresses:
            return False
        self._suspect = new
        return True

    def wrong(self, info: WebhookInfo) -> str | None:
        """Return what Telegram has that this bot has not set; None when all is as it should be."""
        if info.url != self._url:
            host = urlsplit(info.url).hostname
            return f"the webhook leads to {host}" if host else "the webhook was removed"
        lacking = set(ALLOWED_UPDATES) - set(info.allowed_updates or ALLOWED_UPDATES)
        if lacking:
            return f"the webhook does not bring {', '.join(sorted(lacking))} any more"
        if (info.max_connections or self._max_connections) != self._max_connections:
            return f"the webhook has {info.max_connections} connections"
        if info.has_custom_certificate:
            return "the webhook was set with a certificate of its own"
        if self._secret_refused and self._reports(info, 401, 403):
            return "the webhook has another secret"
        return None

    def _reports(self, info: WebhookInfo, *codes: int) -> bool:
        """Tell whether Telegram's new error is that the webhook answered with one of these."""
        said = f"{info.last_error_message or ''} "
        return self._error_at is not None and any(f" {code} " in said for code in codes)

    def trouble(self, info: WebhookInfo) -> str | None:
        """Say why updates wait at Telegram although nothing is wrong here, or None.

        Something on the way refuses them (a certificate, a proxy, a firewall), or Telegram does not
        even try.
        """
        at, now, count = self._error_at, self._clock(), info.pending_update_count
        if not count or self._waiting_since is None:
            self._waiting_since = now if count else None
        since = max(self._waiting_since or now, self._called_at or 0.0)
        if at is not None and count and now - at <= _FRESH_SECONDS and not self._answered(at):
            return f"Telegram cannot bring updates, {count} wait: {info.last_error_message}"
        if now - since > _SILENT_SECONDS:
            return f"{count} updates wait at Telegram, and none has come for {now - since:.0f} s"
        return None

    def _answered(self, at: float) -> bool:
        """Tell whether the error at that time may have been an answer of ours."""
        return self._called_at is not None and self._called_at > at - _ANSWERED_WITHIN
