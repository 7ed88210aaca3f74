"""What commands see of auto-signals: what is watched, and who hears of it."""

from reference_bot.telegram_bot.access import Access
from reference_bot.telegram_bot.signals.metrics import SignalMetrics
from reference_bot.telegram_bot.signals.model import SignalBook, Subscriber
from reference_bot.telegram_bot.trading import Terms


class Subscriptions:
    """The chats that get signals. Everything may raise SignalsUnavailableError."""

    def __init__(
        self, terms: Terms, book: SignalBook, access: Access, metrics: SignalMetrics
    ) -> None:
        self.terms = terms
        self._book = book
        self._access = access
        self._metrics = metrics

    async def start(self, chat: int, user: int) -> None:
        """Let ``chat`` get signals from the next one on; ``user`` asked for it."""
        await self._book.subscribe(Subscriber(chat, user))
        await self.wanted()

    async def stop(self, chat: int) -> None:
        """Let ``chat`` get no more signals, those on their way neither."""
        await self._book.unsubscribe(chat)
        await self.wanted()

    async def has(self, chat: int) -> bool:
        """Tell whether ``chat`` subscribed, by the id that it has now."""
        return await self._book.subscriber(chat) is not None

    async def follow(self, old: int, new: int) -> None:
        """Follow a group that became a supergroup: its subscription goes on under the new id."""
        subscriber = await self._book.subscriber(old)
        if subscriber is not None:
            await self._book.subscribe(Subscriber(new, subscriber.user))
            await self._book.unsubscribe(old)

    async def wants(self, chat: int) -> bool:
        """Tell whether ``chat`` subscribed, and whoever asked for it is still allowed to."""
        found = await self._book.subscriber(chat)
        return found is not None and await self._access.admits(found.user, found.chat)

    async def wanted(self) -> list[int]:
        """Return all chats of which `wants` holds."""
        chats = [
            one.chat
            for one in await self._book.subscribers()
            if await self._access.admits(one.user, one.chat)
        ]
        self._metrics.subscribers.set(len(chats))
        return chats
