"""Figures as people read them. Pure, and defined for every float and for None.

What is not known (None, NaN, an infinity) is ``n/a``. A figure that rounds to zero has no sign.
Arithmetic is Decimal on the float's shortest spelling and rounds half away from zero, as people do:
a float 1.005 means 1.005 to whoever reads it on an exchange, and shows as 1.01.
"""

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

from reference_bot.api import ACTIVITY_LEVELS, LOW_ACTIVITY

NOT_KNOWN: Final = "n/a"

_SUFFIXES: Final = ((12, "T"), (9, "B"), (6, "M"), (3, "K"))
_SINGAPORE: Final = timezone(timedelta(hours=8), "SGT")  # no daylight saving since 1982
_HUGE: Final = Decimal(10) ** 18
_TINY: Final = Decimal(10) ** -18
_CONTEXT: Final = Context(prec=400, rounding=ROUND_HALF_UP)
_MINUTES_FROM: Final = 120  # seconds
_LEVEL_LIMITS: Final = frozenset(
    Decimal(str(limit)) for limit in (LOW_ACTIVITY, *(least for least, _ in ACTIVITY_LEVELS))
)
_UNITS: Final = tuple(Decimal(1).scaleb(-places) for places in range(8))


def known(value: float | None) -> Decimal | None:
    """``value`` as it is spelled, or None when it is no finite number."""
    if value is None or not math.isfinite(value):
        return None
    return Decimal(repr(float(value)))


def price(value: float | None) -> str:
    """``$111,230.50``; below one dollar four significant digits: ``$0.00001234``."""
    number = known(value)
    return NOT_KNOWN if number is None else _dollars(number, _price_digits(abs(number)), "")


def rate(value: float | None, places: int) -> str:
    """Return a price in a currency that its pair names: ``1.17423``, ``156.420``."""
    number = known(value)
    return NOT_KNOWN if number is None else _bare(number, places, "")


def signed_rate(value: float | None, places: int) -> str:
    """Return a change of such a price: ``+0.00241``."""
    number = known(value)
    return NOT_KNOWN if number is None else _bare(number, places, "+")


def span(low: float | None, high: float | None) -> str:
    """``$105,900.25 – $112,000.00``; not known unless both ends are."""
    if known(low) is None or known(high) is None:
        return NOT_KNOWN
    return f"{price(low)} – {price(high)}"


def signed_price(value: float | None) -> str:
    """Return a change of a price: ``+$4,912.10``, ``-$4.17``."""
    number = known(value)
    return NOT_KNOWN if number is None else _dollars(number, _price_digits(abs(number)), "+")


def money(value: float | None) -> str:
    """``$1.37B``, ``$423.6M``, ``-$4.17``."""
    number = known(value)
    return NOT_KNOWN if number is None else _dollars(number, _money_digits(abs(number)), "")


def signed_money(value: float | None) -> str:
    """``+$402.63M``, ``-$4.17``."""
    number = known(value)
    return NOT_KNOWN if number is None else _dollars(number, _money_digits(abs(number)), "+")


def amount(value: float | None, unit: str) -> str:
    """``12,345 BTC``; from a million on ``12.35B SHIB``."""
    return _amount(value, unit, "")


def holding(value: float | None, unit: str) -> str:
    """Return what somebody owns, to the hundredth: ``2,500.50 USDT``; below one as prices are."""
    number = known(value)
    if number is None:
        return NOT_KNOWN
    digits = _price_digits(abs(number))
    return f"{_sign(number, digits, '')}{digits} {unit}"


def signed_amount(value: float | None, unit: str) -> str:
    """``+3,620 BTC``."""
    return _amount(value, unit, "+")


def percent(value: float | None, places: int = 2) -> str:
    """Return a figure that is in percent already: ``+4.62%``, ``-0.30%``, ``0.00%``."""
    number = known(value)
    return NOT_KNOWN if number is None else _percent(number, places)


def long_short(value: float | None) -> str:
    """``L/S: 1.56x``: taker buys ÷ taker sells; ``99.9x`` at the most, ``n/a`` without volume."""
    number = known(value)
    if number is None or number < 0:
        return f"L/S: {NOT_KNOWN}"
    rounded = _round(number, 2)
    return "L/S: 99.9x" if rounded >= Decimal("99.9") else f"L/S: {rounded}x"


def shares(long: float | None, ratio: float | None) -> str:
    """``56.3% long, 43.7% short (1.29x)``: of the accounts with a position; ``ratio`` is theirs."""
    share, times = known(long), known(ratio)
    if share is None or times is None or not 0 <= share <= 1:
        return NOT_KNOWN
    longs = _round(share * 100, 1)
    return f"{longs}% long, {100 - longs}% short ({_fixed(times, 2)}x)"


def activity(level: str, ratio: float | None) -> str:
    """``HIGH (2.1x)``; so near a limit that 2.0x could be either side's, ``HIGH (2.04x)``."""
    number = known(ratio)
    if number is None:
        return NOT_KNOWN
    places = 2 if _round(number, 1) in _LEVEL_LIMITS else 1
    return f"{level} ({_fixed(number, places)}x)"


def control(side: str, buy_share: float | None) -> str:
    """``🟢 BUYERS (64% pressure)``, ``🔴 SELLERS (71% pressure)``, ``⚪ BALANCED``."""
    share = known(buy_share)
    if share is None:
        return NOT_KNOWN
    if side == "BUYERS":
        return f"🟢 BUYERS ({_fixed(share * 100, 0)}% pressure)"
    if side == "SELLERS":
        return f"🔴 SELLERS ({_fixed((1 - share) * 100, 0)}% pressure)"
    return "⚪ BALANCED"


def delta(value: float | None, unit: str, quote: float | None) -> str:
    """``🟢 +3,620 BTC (+$402.63M)``; ``🟢 +3,620 BTC`` where only the amount is known."""
    worth = f" ({signed_money(quote)})" if known(value) is None or known(quote) is not None else ""
    return f"{light(value)} {signed_amount(value, unit)}{worth}"


def change(value: float | None, unit: str, quote: float | None, pct: float | None) -> str:
    """``🟢 +3,595 BTC (+$423.6M) | +4.62%``."""
    return f"{delta(value, unit, quote)} | {percent(pct)}"


def light(value: float | None) -> str:
    """Green above zero, red below, white at zero and when it is not known."""
    number = known(value)
    if not number:
        return "⚪"
    return "🟢" if number > 0 else "🔴"


def lit_percent(value: float | None, places: int = 2) -> str:
    """``🔴 -0.30%``; ``⚪ 0.00%``: the light is that of the figure as it is shown."""
    shown = percent(value, places)
    lights = {"+": "🟢", "-": "🔴"}
    return f"{lights.get(shown[0], '⚪')} {shown}"


def signed_whole(value: float | None) -> str:
    """``+15``, ``-20``, ``0``."""
    number = known(value)
    if number is None:
        return NOT_KNOWN
    digits = _fixed(abs(number), 0)
    return f"{_sign(number, digits, '+')}{digits}"


def funding(rate: float | None, annual: float | None) -> str:
    """Write funding: fractions in, percent out: ``+0.0085% (+9.31% annually)``."""
    once, yearly = known(rate), known(annual)
    shown = NOT_KNOWN if once is None else _percent(once.scaleb(2), 4)
    year = NOT_KNOWN if yearly is None else _percent(yearly.scaleb(2), 2)
    return f"{shown} ({year} annually)"


def funding_rate(rate: float | None) -> str:
    """Write a fraction in, percent out: ``+0.0085%``."""
    number = known(rate)
    return NOT_KNOWN if number is None else _percent(number.scaleb(2), 4)


def magnitude(value: float | None) -> float | None:
    """``value`` without its sign."""
    return None if value is None else abs(value)


def plain(value: float | None) -> str:
    """Return a bare number without needless zeros: ``8``, ``0.5``."""
    number = known(value)
    return NOT_KNOWN if number is None else _trim(_fixed(number, 2))


def duration(milliseconds: int) -> str:
    """``3h 12m``, ``12m``, ``under 1m``; nothing below zero."""
    minutes = max(0, milliseconds) // 60_000
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m" if minutes else "under 1m"


def seconds(value: float | None) -> str:
    """``42 s``; ``3 min`` from two minutes on; nothing below zero."""
    number = known(value)
    if number is None:
        return NOT_KNOWN
    whole = max(0, int(number))
    return f"{whole // 60} min" if whole >= _MINUTES_FROM else f"{whole} s"


def moment(epoch_ms: int) -> str:
    """``2025-10-01 12:00:05 UTC · 20:00:05 SGT``; the date again where Singapore is a day ahead."""
    try:
        utc = datetime.fromtimestamp(epoch_ms / 1000, UTC)
        there = utc.astimezone(_SINGAPORE)
    except (OverflowError, ValueError, OSError):
        return NOT_KNOWN
    day = "" if there.date() == utc.date() else f"{there:%Y-%m-%d} "
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC · {day}{there:%H:%M:%S} SGT"


def time_of_day(epoch_ms: int) -> str:
    """``12:45 UTC``."""
    try:
        return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC):%H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return NOT_KNOWN


# digits of a magnitude (never negative)


def _price_digits(magnitude: Decimal) -> str:
    if magnitude >= _HUGE:
        return _scientific(magnitude)
    if magnitude == 0 or _round(magnitude, 4) >= 1:
        return _fixed(magnitude, 2)
    return _significant(magnitude)


def _money_digits(magnitude: Decimal) -> str:
    if _round(magnitude, 2) >= 1000:
        return _with_suffix(magnitude)
    if magnitude == 0 or magnitude >= Decimal("0.01"):
        return _fixed(magnitude, 2)
    return _significant(magnitude)


def _amount_digits(magnitude: Decimal) -> str:
    if _round(magnitude, 0) >= 1_000_000:
        return _with_suffix(magnitude)
    if magnitude == 0 or _round(magnitude, 2) >= 100:
        return _fixed(magnitude, 0)
    if _round(magnitude, 2) >= 1:
        return _trim(_fixed(magnitude, 2))
    return _trim(_significant(magnitude))


def _with_suffix(magnitude: Decimal) -> str:
    if magnitude >= _HUGE:
        return _scientific(magnitude)
    for exponent, suffix in _SUFFIXES:
        scaled = _round(magnitude.scaleb(-exponent, _CONTEXT), 2)
        if scaled >= 1:
            return _trim(f"{scaled:,}") + suffix
    return _fixed(magnitude, 2)


def _significant(magnitude: Decimal) -> str:
    """Four significant digits of a number below one."""
    if magnitude < _TINY:
        return _scientific(magnitude)
    return f"{_round(magnitude, 3 - magnitude.adjusted()):f}"


def _scientific(magnitude: Decimal) -> str:
    return f"{magnitude:.3e}"


def _fixed(number: Decimal, places: int) -> str:
    return f"{_round(number, places):,f}"


def _round(number: Decimal, places: int) -> Decimal:
    unit = _UNITS[places] if places < len(_UNITS) else Decimal(1).scaleb(-places)
    return number.quantize(unit, context=_CONTEXT)


def _trim(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits and "e" not in digits else digits


# signs


def _dollars(number: Decimal, digits: str, plus: str) -> str:
    return f"{_sign(number, digits, plus)}${digits}"


def _bare(number: Decimal, places: int, plus: str) -> str:
    magnitude = abs(number)
    digits = _scientific(magnitude) if magnitude >= _HUGE else _fixed(magnitude, places)
    return f"{_sign(number, digits, plus)}{digits}"


def _amount(value: float | None, unit: str, plus: str) -> str:
    number = known(value)
    if number is None:
        return NOT_KNOWN
    digits = _amount_digits(abs(number))
    return f"{_sign(number, digits, plus)}{digits} {unit}"


def _percent(number: Decimal, places: int) -> str:
    magnitude = abs(number)
    digits = _scientific(magnitude) if magnitude >= _HUGE else _fixed(magnitude, places)
    return f"{_sign(number, digits, '+')}{digits}%"


def _sign(number: Decimal, digits: str, plus: str) -> str:
    if not any(digit in digits for digit in "123456789"):
        return ""  # it rounds to zero
    return "-" if number < 0 else plus
