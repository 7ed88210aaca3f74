"""``python -m reference_bot.telegram_bot [--check | --dead-letters]``.

Exit codes: 0 stopped as asked, the settings are good (--check), the dead letters are listed; 2 the
settings cannot be used; 1 anything else.
"""

import signal
import sys


def _leave(*_: object) -> None:
    sys.exit(0)


# These must end the process cleanly from its first moment on, and the imports below take half a
# second. Under nohup SIGHUP is ignored, and stays so.
for _signal in (signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(_signal) is not signal.SIG_IGN:
        signal.signal(_signal, _leave)

import argparse  # noqa: E402 - after the signal handler, on purpose
import asyncio  # noqa: E402 - as above
import gc  # noqa: E402 - as above
import logging  # noqa: E402 - as above
from typing import Final  # noqa: E402 - as above

from reference_bot.telegram_bot import log, settings  # noqa: E402 - as above

_ALLOCATIONS: Final = 10_000
"""Python looks for garbage after that many more objects than were freed; 700 as it comes, which
was a fourteenth of the processor time (docs/benchmarks.md)."""


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reference_bot.telegram_bot")
    parser.add_argument("--check", action="store_true", help="check the settings and exit")
    parser.add_argument(
        "--dead-letters",
        action="store_true",
        help="list the updates that could not be handled, one JSON object a line, and exit; the "
        "bot may be running",
    )
    options = parser.parse_args(arguments)
    try:
        loaded = settings.load()
    except settings.SettingsError as error:
        print(f"The settings cannot be used:\n{error}", file=sys.stderr)
        return 2
    if options.check:
        print("The settings are good.")
        return 0
    if options.dead_letters:
        from reference_bot.telegram_bot.dead_letters import show  # noqa: PLC0415 - as in _run

        return show(loaded)
    return _run(loaded)


def _run(loaded: settings.Settings) -> int:
    log.configure(loaded.log_level, loaded.secrets)
    from reference_bot.loop import QuickEndLoop  # noqa: PLC0415 - as above
    from reference_bot.telegram_bot import slim  # noqa: F401, PLC0415 - before anything imports telegram
    from reference_bot.telegram_bot.app import run  # noqa: PLC0415 - --check does without it
    from reference_bot.telegram_bot.server import CannotListenError  # noqa: PLC0415 - as above

    # What is imported stays: looking it through for garbage again and again is work for nothing.
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 10, 10)
    try:
        with asyncio.Runner(loop_factory=QuickEndLoop) as runner:
            runner.run(run(loaded))
    except CannotListenError as error:
        logging.getLogger(__name__).critical("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
