"""What the figures of one pair say, as points for (bullish) and against (bearish).

A signal is a rule with a fixed weight; nothing is fitted or predicted. The list is closed.
"""

from __future__ import annotations

from reference_bot.api import Bias, CombinedPrice, Flow, Signal, Technical
from reference_bot.market_data.figures import control_of


def signals_of(price: CombinedPrice, technical: Technical, flow: Flow | None) -> tuple[Signal, ...]:
    """Return the signals that apply, in the order of the rules."""
    return (*_momentum(technical), *_flow(flow), *_positions(price))


def bias_of(score: float) -> Bias:
    """Name a score: 25 points either way are a bias."""
    if score >= 25:
        return "bullish"
    return "bearish" if score <= -25 else "neutral"


def _momentum(technical: Technical) -> list[Signal]:
    found = []
    if technical.rsi_14 is not None and technical.rsi_14 <= 30:
        found.append(Signal("rsi_oversold", 20.0, technical.rsi_14))
    elif technical.rsi_14 is not None and technical.rsi_14 >= 70:
        found.append(Signal("rsi_overbought", -20.0, technical.rsi_14))
    distance = technical.vwap_distance_pct
    if distance is not None and distance != 0:
        above = distance > 0
        code = "above_vwap" if above else "below_vwap"
        found.append(Signal(code, 15.0 if above else -15.0, distance))
    bands = technical.bollinger
    if bands is not None and bands.position is not None and not 0 <= bands.position <= 1:
        below = bands.position < 0
        code = "below_lower_band" if below else "above_upper_band"
        found.append(Signal(code, 10.0 if below else -10.0, bands.position))
    return found


def _flow(flow: Flow | None) -> list[Signal]:
    control = control_of(flow)
    if control is None or control.side == "BALANCED":
        return []
    buyers = control.side == "BUYERS"
    code = "buyers_in_control" if buyers else "sellers_in_control"
    return [Signal(code, 30.0 if buyers else -30.0, control.buy_share)]


def _positions(price: CombinedPrice) -> list[Signal]:
    perp = price.perp
    if perp is None:
        return []
    found = []
    change = perp.open_interest.change_24h if perp.open_interest is not None else None
    if change is not None and abs(change.pct) >= 2:
        # new positions confirm the direction of the price; closed ones confirm nothing
        opened = change.pct > 0
        if opened and perp.change_24h != 0:
            up = perp.change_24h > 0
            code = "new_longs" if up else "new_shorts"
            found.append(Signal(code, 20.0 if up else -20.0, change.pct))
    if perp.funding is not None and perp.funding.pressure == "long_squeeze":
        found.append(Signal("crowded_longs", -15.0, perp.funding.rate_8h))
    elif perp.funding is not None and perp.funding.pressure == "short_squeeze":
        found.append(Signal("crowded_shorts", 15.0, perp.funding.rate_8h))
    return found
