"""The market summary: at most four signals, strongest first, from figures that are there. Pure."""

from collections.abc import Iterator
from typing import Final

from reference_bot.api import CombinedPrice, Intelligence, PerpBlock
from reference_bot.telegram_bot.render import format as f

MOST: Final = 4
_MOVED_PRICE: Final = 0.5  # percent in 24 h, from which on a direction is worth naming
_MOVED_INTEREST: Final = 1.0  # the same for open interest

_FUNDING: Final = {
    "long_squeeze": "🔥 Longs are crowded: funding {rate} points to a long squeeze",
    "long_pressure": "🟠 Longs pay shorts: funding {rate}",
    "short_pressure": "🔵 Shorts pay longs: funding {rate}",
    "short_squeeze": "🧊 Shorts are crowded: funding {rate} points to a short squeeze",
}
# (price up, open interest up) → what the two say together
_POSITIONS: Final = {
    (True, True): "🟢 Price and open interest rise: new longs",
    (True, False): "🟡 Price rises, open interest falls: shorts are closing",
    (False, True): "🔴 Price falls, open interest rises: new shorts",
    (False, False): "🟡 Price and open interest fall: longs are closing",
}


def signals(data: CombinedPrice) -> list[str]:
    """Return one to four lines, escaped."""
    found = [*_control(data), *_positions(data.perp), *_funding(data.perp)]
    if data.intelligence is not None:
        found += [*_activity(data.intelligence), *_momentum(data.intelligence)]
    if found:
        return found[:MOST]
    if data.spot is None and data.perp is None:
        return ["Not enough data to judge"]
    return ["⚪ No strong signal"]


def _control(data: CombinedPrice) -> Iterator[str]:
    facts = data.intelligence
    if facts is None or facts.control_24h is None or facts.control_24h.side == "BALANCED":
        return
    day = facts.control_24h
    light = "🟢" if day.side == "BUYERS" else "🔴"
    who = day.side.capitalize()
    recent = facts.control_15m
    if recent is None or recent.side == "BALANCED":
        yield f"{light} {who} have controlled the last 24h"
    elif recent.side == day.side:
        yield f"{light} {who} control both 24h and 15m"
    else:
        yield f"🟡 {recent.side.capitalize()} have taken over from {who.lower()} in the last 15m"


def _positions(perp: PerpBlock | None) -> Iterator[str]:
    if perp is None or perp.open_interest is None or perp.open_interest.change_24h is None:
        return
    price, interest = f.known(perp.change_24h_pct), f.known(perp.open_interest.change_24h.pct)
    if price is None or interest is None:
        return
    if abs(price) >= _MOVED_PRICE and abs(interest) >= _MOVED_INTEREST:
        yield _POSITIONS[price > 0, interest > 0]


def _funding(perp: PerpBlock | None) -> Iterator[str]:
    if perp is None or perp.funding is None:
        return
    if (text := _FUNDING.get(perp.funding.pressure)) is not None:
        yield text.format(rate=f.percent(perp.funding.rate * 100, 4))


def _activity(facts: Intelligence) -> Iterator[str]:
    if facts.activity is None:
        return
    shown = f.activity(facts.activity.level, facts.activity.ratio)
    if facts.activity.level in {"EXTREME", "HIGH"}:
        yield f"📢 Volume is {shown} in the last 15m"
    elif facts.activity.level == "LOW":
        yield f"😴 Volume is {shown} in the last 15m"


def _momentum(facts: Intelligence) -> Iterator[str]:
    state = None if facts.momentum is None else facts.momentum.state
    if state == "ACCELERATING":
        yield "🚀 Taker flow is accelerating"
    elif state == "DECELERATING":
        yield "🐢 Taker flow is slowing down"
