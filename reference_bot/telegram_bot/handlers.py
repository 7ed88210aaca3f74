"""The python-telegram-bot application: which handler takes which update.

Group -1 lets only admitted people through, whatever kind of update they cause. Group 0 holds one
handler for messages, which looks for a command of the table, and one for taps. Everything else
(edited messages, channel posts, messages without a command) is done with that.
"""

import asyncio
import difflib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import Any, Final

from telegram import (
    BotCommand,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    CallbackQuery,
    InlineQueryResultsButton,
    Message,
    Update,
)
from telegram.error import TelegramError
from telegram.ext import (
    Application,
    ApplicationBuilder,
    ApplicationHandlerStop,
    CallbackContext,
    CallbackQueryHandler,
    ExtBot,
    InlineQueryHandler,
    MessageHandler,
    TypeHandler,
    filters,
)

from reference_bot.telegram_bot.access import Access
from reference_bot.telegram_bot.commands.arguments import MOST_SYMBOLS, TIMEFRAMES
from reference_bot.telegram_bot.commands.buttons import buttons_under, pressed
from reference_bot.telegram_bot.commands.help import HOW
from reference_bot.telegram_bot.commands.model import BadArgumentError, Command, Request
from reference_bot.telegram_bot.commands.replied import symbols_replied_to
from reference_bot.telegram_bot.commands.typed import Typed, is_marked, read_command
from reference_bot.telegram_bot.commands.words import OFTEN_ASKED
from reference_bot.telegram_bot.inbox import Inbox, InboxUnavailableError, LeaseLostError
from reference_bot.telegram_bot.market_data import MarketData, MarketDataError
from reference_bot.telegram_bot.metrics import Metrics
from reference_bot.telegram_bot.outgoing.replier import Draft, Replier
from reference_bot.telegram_bot.render.html import escape, split
from reference_bot.telegram_bot.sharing import Shared
from reference_bot.telegram_bot.signals.subscriptions import Subscriptions

BotApplication = Application[Any, Any, Any, Any, Any, Any]
_Context = CallbackContext[Any, Any, Any, Any]

PRIVATE: Final = "🔒 This bot is private. Ask whoever runs it to let you in; your id is {user}."
NAMELESS: Final = (
    "🔒 This bot is private, and I cannot tell who writes as a group or channel. "
    "Ask whoever runs the bot to list this group; its id is {chat}."
)
TROUBLE: Final = (
    "😕 Something went wrong on my side, and I could not answer that. Please try again."
)
OUT_OF_DATE: Final = "This button is out of date. Send the command again."
OWNERS: Final = (
    "🔒 /{command} shows the account of whoever runs this bot: only people whose own id is in "
    "TELEGRAM_ALLOWED_USERS may see it."
)
TOO_MANY: Final = (
    "✋ Too many of your messages are waiting, so I skip the newest. Wait for the answers, then "
    "ask again."
)
MOST_AT_ONCE: Final = 3
LEFT_OUT: Final = (
    "✋ I answer up to {most} commands of one message. Not answered: {commands}. Send them again."
)
IN_PRIVATE: Final = "Ask me in a private chat"
SHORTER: Final = " A shorter timeframe may have all of its candles."
IN_TETHER: Final = "ℹ️ I have no prices of {asked}, so this is {told}."
UNKNOWN: Final = "I do not know {command}.{meant} /help lists what I can do."
_DAY: Final = 24 * 3600.0
_NARROWER: Final = (
    BotCommandScopeAllPrivateChats(),
    BotCommandScopeAllGroupChats(),
    BotCommandScopeAllChatAdministrators(),
)

current: ContextVar[Replier | None] = ContextVar("current", default=None)
"""The replier of the update that this task handles; set by the dispatcher."""

_log = logging.getLogger(__name__)


def build_application(
    bot: ExtBot[None],
    *,
    table: tuple[Command, ...],
    market_data: MarketData,
    access: Access,
    moved: Callable[[int, int], Awaitable[None]],
    inbox: Inbox,
    metrics: Metrics,
    subscriptions: Subscriptions | None = None,
) -> BotApplication:
    """Return the application with every handler; it is never run by itself: the
    dispatcher feeds it."""
    application: BotApplication = (
        ApplicationBuilder().bot(bot).updater(None).job_queue(None).build()
    )
    gate = _Gate(access, moved, inbox, metrics)
    application.add_handler(TypeHandler(Update, gate.check), group=-1)
    answers = _Answers(table, market_data, access, inbox, subscriptions)
    application.add_handler(MessageHandler(filters.UpdateType.MESSAGE, answers.said))
    application.add_handler(CallbackQueryHandler(answers.tapped))
    application.add_handler(InlineQueryHandler(_lead_to_chat))
    application.add_error_handler(_apologiser(metrics))
    return application


async def announce_commands(bot: ExtBot[None], table: tuple[Command, ...]) -> None:
    """Fill Telegram's command menu from the table. Raises TelegramError.

    What an earlier program with this token has set for kinds of chats would be shown instead.
    """
    await bot.set_my_commands([BotCommand(command.name, command.summary) for command in table])
    for scope in _NARROWER:
        await bot.delete_my_commands(scope)


class _Answers:
    """Commands, typed and tapped: both are parsed by the table and answered the same way."""

    def __init__(
        self,
        table: tuple[Command, ...],
        market_data: MarketData,
        access: Access,
        inbox: Inbox,
        subscriptions: Subscriptions | None,
    ) -> None:
        self._table = table
        self._by_name = {command.name: command for command in table}
        self._market_data = market_data
        self._access = access
        self._inbox = inbox
        self._subscriptions = subscriptions
        self._courtesies: set[asyncio.Task[None]] = set()
        self._shared: Shared[Draft] = Shared()

    async def said(self, update: Update, context: _Context) -> None:
        """Answer the commands of a message, or of the caption of a picture."""
        message = update.message
        typed = None
        if message is not None and not _is_of_a_bot(message):
            typed = read_command(message, context.bot.username, self._by_name)
        if message is None or typed is None:
            return
        private = message.chat.type == "private"
        ours = [one for one in (typed, *typed.then) if private or self._command(one) is not None]
        if ours and await self._is_first_of_album(message, update.update_id, ours):
            await _replier().answer(self._drafts(update, ours))

    async def _is_first_of_album(
        self, message: Message, update_id: int, typed: list[Typed]
    ) -> bool:
        """Tell whether no other picture of its album asks the same: each comes by itself."""
        if message.media_group_id is None:
            return True
        asked = " ".join(word.lower() for one in typed for word in (one.name, *one.words))
        album = f"album:{message.chat.id}:{message.media_group_id}:{asked}"
        return await self._inbox.once(album, update_id, _DAY)

    def _command(self, typed: Typed) -> Command | None:
        return None if typed.elsewhere else self._by_name.get(typed.name)

    async def _drafts(self, update: Update, typed: list[Typed]) -> Draft:
        """Answer the commands of one message in their order, each in messages of its own."""
        if len(typed) == 1:
            return await self._typed(update, typed[0])
        answered, left = typed[:MOST_AT_ONCE], typed[MOST_AT_ONCE:]
        drafts = await asyncio.gather(*(self._typed(update, one) for one in answered))
        if left:
            commands = " ".join(dict.fromkeys(escape(one.shown) for one in left))
            text = LEFT_OUT.format(most=MOST_AT_ONCE, commands=commands)
            drafts.append(Draft(split(text)))
        return Draft.of(drafts)

    async def tapped(self, update: Update, _: _Context) -> None:
        """Answer a tap: the message that holds the button is edited into the answer.

        The callback is answered beside that, which ends the button's spinner: if that takes long
        or fails (a restart has answered it before, or it is too old), the message is edited all the
        same.
        """
        query = update.callback_query
        if query is None:
            return
        request = pressed(query.data, self._table)
        courtesy = asyncio.create_task(
            _end_spinner(query, OUT_OF_DATE if request is None else None)
        )
        self._courtesies.add(courtesy)  # nobody waits for it
        courtesy.add_done_callback(self._courtesies.discard)
        if request is None or query.message is None:
            await courtesy
            return
        replier = _replier()
        if query.message.is_accessible:
            replier.adopt(query.message.message_id)
        await replier.answer(self._parsed(update, *request))

    def _unknown(self, typed: Typed) -> Draft:
        """Say that there is no such command, and which one may be meant."""
        names = [f"/{name}" for name in self._by_name]
        near = difflib.get_close_matches(f"/{typed.name[:40]}", names, n=1, cutoff=0.7)
        if not near and typed.name.upper() in OFTEN_ASKED:
            near = [f"/price {typed.name.upper()}"]
        meant = f" Did you mean {near[0]}?" if near else ""
        return Draft(split(UNKNOWN.format(command=escape(typed.shown), meant=meant)))

    async def _typed(self, update: Update, typed: Typed) -> Draft:
        command = self._command(typed)
        if command is None:
            return self._unknown(typed)
        if len(typed.words) == 1 and typed.words[0].lower() in HOW and command.name != "help":
            return await self._parsed(update, self._by_name["help"], {"COMMAND": command.name})
        words = typed.words or _replied_to(update, command)
        try:
            arguments = command.parse(list(words))
        except BadArgumentError as error:
            return _wrong(error)
        return await self._parsed(update, command, arguments)

    async def _parsed(self, update: Update, command: Command, arguments: dict[str, str]) -> Draft:
        user, chat = update.effective_user, update.effective_chat
        if command.owners:
            if user is None or not self._access.names(user.id):
                return Draft(split(OWNERS.format(command=command.name)))
            if chat is not None and chat.type != "private":
                _replier().go_to(user.id)  # a group is not to see the account
        request = Request(
            arguments,
            self._market_data,
            self._table,
            self._subscriptions,
            chat.id if chat else None,
            user.id if user else None,
            forwarded=update.message is not None and update.message.forward_origin is not None,
            direct=chat is not None and bool(chat.is_direct_messages),
        )
        if not command.shared:
            return await _draft(command, request)
        asked = (command.name, *arguments.items())
        return await self._shared.get(asked, partial(_draft, command, request))


async def _draft(command: Command, request: Request) -> Draft:
    try:
        text = await command.answer(request)
    except BadArgumentError as error:  # right each by itself, but not together
        return _wrong(error)
    except MarketDataError as error:
        if error.in_tether:
            return await _in_tether(command, request, error)
        buttons = await buttons_under(command, request) if error.again else ""
        advice = SHORTER if error.code == "gap" and _may_be_shorter(request) else ""
        return Draft(split(f"⚠️ {escape(str(error))}{advice}"), buttons)
    return Draft(split(text), await buttons_under(command, request))


def _may_be_shorter(request: Request) -> bool:
    """Tell whether who asked may choose a shorter timeframe, whose candles reach back less far."""
    return request.arguments.get("TIMEFRAME", TIMEFRAMES[0]) != TIMEFRAMES[0]


async def _in_tether(command: Command, request: Request, error: MarketDataError) -> Draft:
    """Answer with the pair in USDT where no exchange has the one in dollars, and say so."""
    named = next(one.name for one in command.arguments if one.symbol)
    other = replace(request, arguments={**request.arguments, named: error.in_tether})
    try:
        text = await command.answer(other)
    except MarketDataError:
        return Draft(split(f"⚠️ {escape(str(error))}"))
    pair = error.in_tether.partition("-")[0]
    said = IN_TETHER.format(asked=escape(request.arguments[named]), told=escape(pair))
    return Draft(split(f"{said}\n\n{text}"), await buttons_under(command, other))


async def _lead_to_chat(update: Update, _: _Context) -> None:
    """Answer what is typed after the bot's name in another chat: without an answer it would seem to
    be still searching."""
    if update.inline_query is None:
        return
    button = InlineQueryResultsButton(IN_PRIVATE, start_parameter="inline")
    try:
        await update.inline_query.answer([], cache_time=300, button=button)
    except TelegramError as error:
        _log.info("an inline query could not be answered: %s", error)


async def _end_spinner(query: CallbackQuery, text: str | None) -> None:
    try:
        await query.answer(text)
    except TelegramError as error:
        _log.info("a callback could not be answered: %s", error)


def _replied_to(update: Update, command: Command) -> tuple[str, ...]:
    """Return what a command without words is about: symbols in what it is a reply to."""
    if update.message is None or not any(one.symbol for one in command.arguments):
        return ()
    return symbols_replied_to(update.message, MOST_SYMBOLS if command.whole else 1)


def _wrong(error: BadArgumentError) -> Draft:
    return Draft(split(f"🤔 {escape(str(error))}"))


def _replier() -> Replier:
    replier = current.get()
    if replier is None:
        raise LookupError("no update is being handled here: use the dispatcher")
    return replier


class _Gate:
    """Stops every update of somebody who is not admitted, and tells them once a day."""

    def __init__(
        self,
        access: Access,
        moved: Callable[[int, int], Awaitable[None]],
        inbox: Inbox,
        metrics: Metrics,
    ) -> None:
        self._access = access
        self._moved = moved
        self._inbox = inbox
        self._metrics = metrics

    async def check(self, update: Update, _: _Context) -> None:
        user, chat = update.effective_user, update.effective_chat
        try:
            if update.message is not None:
                await self._follow(update.message)
            admitted = await self._access.admits(
                user.id if user else None, chat.id if chat else None
            )
        except Exception as error:  # who may be a stranger is let in by no failure
            self._note(update, error)
            raise ApplicationHandlerStop from error
        if admitted:
            return
        self._metrics.strangers.inc()
        try:
            if update.message is not None and update.message.sender_chat is not None:
                await self._refuse_nameless(update.message, update.update_id)
            elif user is not None and not user.is_bot:
                await self._refuse(update, user.id)
        except Exception as error:
            # python-telegram-bot goes on to the next group of handlers after any other error: a
            # refusal that cannot be told (a tap that is too old, a full disk) would let them in.
            self._note(update, error)
        raise ApplicationHandlerStop

    async def _follow(self, message: Message) -> None:
        """Follow a group that becomes a supergroup, which says so in both: one of the
        two always comes first."""
        if message.migrate_to_chat_id is not None:
            await self._moved(message.chat.id, message.migrate_to_chat_id)
        elif message.migrate_from_chat_id is not None:
            await self._moved(message.migrate_from_chat_id, message.chat.id)

    def _note(self, update: Update, error: Exception) -> None:
        if isinstance(error, LeaseLostError | InboxUnavailableError):
            _replier().interrupted = error  # the update comes again
        elif isinstance(error, TelegramError):
            _log.info("a stranger could not be told: %s", error)
        else:
            self._metrics.failed.inc()
            _log.error("a refusal failed", exc_info=error, extra={"update_id": update.update_id})

    async def _refuse(self, update: Update, user: int) -> None:
        text = PRIVATE.format(user=user)
        if update.callback_query is not None:
            first = await self._first_today(update, user)
            await update.callback_query.answer(text if first else None)
        elif update.inline_query is not None:
            await update.inline_query.answer([], cache_time=300, is_personal=True)
        elif _speaks_to_bot(update) and await self._first_today(update, user):
            await _replier().say([text])

    async def _refuse_nameless(self, message: Message, update_id: int) -> None:
        """Refuse an anonymous admin, or somebody who writes as a channel: Telegram tells no person.

        What a linked channel posts comes into its group by itself, and is meant for nobody.
        """
        said = NAMELESS.format(chat=message.chat.id)
        if message.is_automatic_forward or not is_marked(message):
            return
        _log.warning("whoever writes as a chat is refused", extra={"chat": message.chat.id})
        if await self._once_a_day(message.chat.id, update_id):
            await _replier().say([said])

    async def _first_today(self, update: Update, user: int) -> bool:
        return await self._once_a_day(user, update.update_id)

    async def _once_a_day(self, who: int, update_id: int) -> bool:
        first = await self._inbox.once(f"refused:{who}", update_id, _DAY)
        if first:
            self._metrics.refusals.inc()
        return first


def _is_of_a_bot(message: Message) -> bool:
    """Tell whether a bot has written it: two that answer each other would never end.

    A person who writes as a group or channel is shown as a bot of Telegram's, with that chat.
    Source: https://core.telegram.org/api/bots/bot-to-bot#loop-prevention
    """
    sender = message.from_user
    return sender is not None and sender.is_bot and message.sender_chat is None


def _speaks_to_bot(update: Update) -> bool:
    """Tell whether it is a private message, or a command in a group: a bot that scolds
    a group is a nuisance."""
    message = update.message
    if message is None:
        return False
    return message.chat.type == "private" or is_marked(message)


def _apologiser(metrics: Metrics) -> Callable[[object, _Context], Coroutine[Any, Any, None]]:
    async def apologise(update: object, context: _Context) -> None:
        replier = current.get()
        if isinstance(context.error, LeaseLostError | InboxUnavailableError) and replier:
            replier.interrupted = context.error  # no failure of the handler: the update comes again
            return
        metrics.failed.inc()
        if replier is not None:
            replier.failure = context.error
        update_id = update.update_id if isinstance(update, Update) else None
        _log.error("a handler failed", exc_info=context.error, extra={"update_id": update_id})
        if replier is not None and not isinstance(context.error, TelegramError):
            await replier.say([TROUBLE])

    return apologise
