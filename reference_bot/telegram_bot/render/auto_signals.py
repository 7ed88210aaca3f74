"""What auto-signals say: the signal that comes by itself, and whether it does. Pure."""

from typing import Final

from reference_bot.api import Analysis
from reference_bot.telegram_bot.render.common import page
from reference_bot.telegram_bot.render.html import bold, escape
from reference_bot.telegram_bot.render.trading import render_signal
from reference_bot.telegram_bot.trading import Terms, Trade

ON: Final = f"🔔 {bold('Auto-signals are on')} for this chat"
OFF: Final = f"🔕 {bold('Auto-signals are off')} for this chat"
FORWARDED: Final = f"↪️ {bold('That was forwarded')}, so I changed nothing"
DIRECT: Final = f"🔕 {bold('Auto-signals do not come')} into the direct messages of a channel"
NOT_RUNNING: Final = (
    f"🔕 {bold('Auto-signals are not running')}: whoever runs this bot can switch them on "
    "(ENABLE_AUTO_SIGNALS)"
)
_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def render_auto_signal(data: Analysis, found: Trade, terms: Terms) -> str:
    """Return a signal as it comes by itself, as HTML; markup never spans lines."""
    return page(
        [f"🔔 {bold('AUTO-SIGNAL')} · {every(terms.interval)}"], [render_signal(data, found)]
    )


def render_on(terms: Terms) -> str:
    """Return what comes, when, and how it ends."""
    return "\n".join(
        [
            ON,
            f"Pairs: {escape(', '.join(terms.pairs))}",
            f"Checked {every(terms.interval)}, sent from confidence {terms.threshold} of 100",
            "/signal off stops them",
        ]
    )


def render_off() -> str:
    """Return how it starts again."""
    return f"{OFF}\n/signal on starts them"


def render_forwarded(switch: str) -> str:
    """Return why a switch that somebody only passed on changed nothing."""
    return f"{FORWARDED}\nSend /signal {switch} yourself to switch auto-signals {switch}"


def render_direct() -> str:
    """Return where auto-signals can be switched on instead."""
    return f"{DIRECT}\nWrite /signal on in a chat with me alone"


def render_not_running() -> str:
    """Return what works all the same."""
    return f"{NOT_RUNNING}\n/signal PAIR still works"


def every(seconds: int) -> str:
    """``every hour``, ``every 15 minutes``, ``every 90 seconds``.

    >>> every(3600), every(900), every(90)
    ('every hour', 'every 15 minutes', 'every 90 seconds')
    """
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"
