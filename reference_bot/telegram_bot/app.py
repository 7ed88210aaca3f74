"""One bot process from start to stop: listener, room, door, signals."""

import asyncio
import contextlib
import logging
import signal

from starlette.routing import Route

from reference_bot.telegram_bot.doors.intake import Intake
from reference_bot.telegram_bot.doors.polling import PollingDoor
from reference_bot.telegram_bot.doors.webhook import WebhookDoor
from reference_bot.telegram_bot.room import Room
from reference_bot.telegram_bot.server import Listener, routes
from reference_bot.telegram_bot.settings import Settings

_log = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. Raises CannotListenError when the address is taken.

    Whatever else ends the work is a fault of ours: it is raised after everything is closed.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    room = Room(settings)
    intake = Intake(settings.bot_mode, room.inbox, room.metrics, room.readiness)
    door, door_routes = _door(settings, room, intake)
    listener = Listener(
        settings.webhook_host,
        settings.webhook_port,
        [*routes(room.readiness, room.metrics), *door_routes],
    )
    await listener.start()
    work = asyncio.create_task(_work(room, door))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    _log.info("stopping")
    room.readiness.set("process", "the bot is stopping")
    intake.close()
    stopped.cancel()
    work.cancel()
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await work
    finally:
        await room.close()
        await listener.stop()
        _log.info("stopped")


async def _work(room: Room, door: PollingDoor | WebhookDoor) -> None:
    await room.open()
    _log.info("handling updates", extra={"mode": room.settings.bot_mode})
    await door.run()


def _door(
    settings: Settings, room: Room, intake: Intake
) -> tuple[PollingDoor | WebhookDoor, list[Route]]:
    if settings.bot_mode == "polling":
        return PollingDoor(room.bot, intake, room.readiness), []
    door = WebhookDoor(
        room.bot,
        intake,
        room.readiness,
        url=settings.webhook_url,
        secret=settings.webhook_secret.get_secret_value(),
        max_connections=settings.webhook_max_connections,
    )
    return door, [Route("/webhook", door.endpoint, methods=["POST"])]
