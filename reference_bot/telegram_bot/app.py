"""One bot process from start to stop: listeners, room, door, signals."""

import asyncio
import contextlib
import logging
import signal
from urllib.parse import urlsplit

from starlette.routing import Route
from starlette.types import ASGIApp

from reference_bot.edge import host_names
from reference_bot.telegram_bot.doors.intake import Intake
from reference_bot.telegram_bot.doors.polling import PollingDoor
from reference_bot.telegram_bot.doors.webhook import WebhookDoor
from reference_bot.telegram_bot.room import Room
from reference_bot.telegram_bot.server import Listener, routes
from reference_bot.telegram_bot.service_manager import ServiceManager
from reference_bot.telegram_bot.settings import Settings

_ADMIN_SHARE = 0.125

_log = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Run until SIGTERM, SIGINT, or SIGHUP where that is not ignored.

    Raises CannotListenError when an address is taken.
    Whatever else ends the work is a fault of ours: it is raised after everything is closed.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    hang_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    for name in (signal.SIGTERM, signal.SIGINT, *hang_up):
        loop.add_signal_handler(name, stop.set)
    room = Room(settings)
    intake = Intake(settings.bot_mode, room.inbox, room.metrics, room.readiness)
    door, endpoint = _door(settings, room, intake)
    listeners = _listeners(settings, routes(room.readiness, room.metrics), endpoint)
    for event, listener in listeners.items():
        await listener.start(event)
    serving = {one.serving for one in listeners.values() if one.serving is not None}
    work = asyncio.create_task(_work(room, door))
    manager = ServiceManager(room.readiness)
    notifying = asyncio.create_task(manager.run())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopped, *serving}, return_when=asyncio.FIRST_COMPLETED)
    ended = [task for task in (work, *serving) if task.done()]
    if ended and not stop.is_set():
        _log.critical("the bot cannot go on and ends")
    _log.info("stopping")
    notifying.cancel()
    manager.stopping()
    room.readiness.set("process", "the bot is stopping")
    room.readiness.stand_by(frozenset())  # what is held for a turn that never comes is refused
    stopped.cancel()
    work.cancel()
    try:
        for task in (work, *ended):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if ended:
            raise RuntimeError("a part of the bot that never ends has ended")
    finally:
        # What Telegram brings meanwhile is kept for whoever has the inbox next: refused, it would
        # come again only after a second.
        await room.rest()
        for listener in listeners.values():
            await listener.stop()
        await room.close()
        _log.info("stopped")


def _listeners(settings: Settings, admin: list[Route], door: ASGIApp | None) -> dict[str, Listener]:
    """Return where each listens, by the event that says so in the log."""
    names = host_names(settings.allowed_hosts)
    if settings.webhook_url:
        names |= {(urlsplit(settings.webhook_url).hostname or "").lower()}
    if settings.admin_port is None:
        together = Listener(
            settings.webhook_host, settings.webhook_port, admin, webhook=door, allowed_hosts=names
        )
        return {"listening": together}
    apart = Listener(
        settings.admin_host,
        settings.admin_port,
        admin,
        allowed_hosts=names,
        share=_ADMIN_SHARE,
    )
    if door is None:
        return {"listening for the admin": apart}
    share = 1 - _ADMIN_SHARE
    open_to_all = Listener(
        settings.webhook_host,
        settings.webhook_port,
        (),
        webhook=door,
        allowed_hosts=names,
        share=share,
    )
    return {"listening": open_to_all, "listening for the admin": apart}


async def _work(room: Room, door: PollingDoor | WebhookDoor) -> None:
    await room.open()
    _log.info("handling updates", extra={"mode": room.settings.bot_mode})
    room.supervisor.start(room.settings.bot_mode, door.run)
    await asyncio.Event().wait()


def _door(
    settings: Settings, room: Room, intake: Intake
) -> tuple[PollingDoor | WebhookDoor, ASGIApp | None]:
    if settings.bot_mode == "polling":
        return PollingDoor(room.bot, intake, room.readiness, room.metrics), None
    door = WebhookDoor(
        room.bot,
        intake,
        room.readiness,
        room.metrics,
        url=settings.webhook_url,
        secret=settings.webhook_secret.get_secret_value(),
        max_connections=settings.webhook_max_connections,
    )
    return door, door.endpoint
