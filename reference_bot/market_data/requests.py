"""What can be asked: one model an endpoint, with bounds, defaults and examples."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from reference_bot.spelling import readable

Timeframe = Literal["1m", "5m", "15m", "30m", "1h", "4h", "1d"]
Market = Literal["spot", "perp"]


def _number(value: object) -> object:
    """Take 10.0 for 10, as JSON does, but neither true nor "10"."""
    if isinstance(value, bool | str):
        raise ValueError("should be a number")  # noqa: TRY004 - pydantic reports only ValueError
    return value


Whole = Annotated[int, Field(strict=False), BeforeValidator(_number)]

_WORD = r"[^\W_\u115f\u1160\u3164\uffa0]+"  # the four are letters without a shape
_PATTERN = rf"^[\W_]*{_WORD}([-/_.: ]+{_WORD})*[\W_]*$"
_PLAIN = r"^[A-Za-z0-9]+([-/_.: ]+[A-Za-z0-9]+)*$"
"""What the description promises: classes such as \\W are others in JSON Schema's dialect. Letters
of other alphabets, and marks around a symbol, are read as well."""
_AS_SENT = 200  # characters: what is longer is refused as it is
_SYMBOL = "any usual spelling: BTC, btc-usdt, BTC/USDT, BTCUSDT; EUR/USD, EURUSD, XAU/USD, gold"


def _readable(value: object) -> object:
    return readable(value) if isinstance(value, str) and len(value) <= _AS_SENT else value


Symbol = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        pattern=_PATTERN,
        description=_SYMBOL,
        examples=["BTC"],
        json_schema_extra={"pattern": _PLAIN},
    ),
    BeforeValidator(_readable),
]


class _Request(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        strict=True,
        frozen=True,
        regex_engine="python-re",  # compiled once for all models; the other keeps caches for each
    )


class _ExchangeRequest(_Request):
    exchange: str | None = Field(
        default=None,
        max_length=40,
        description="one venue; null takes the first of EXCHANGES that can answer",
        examples=["binance"],
    )

    @field_validator("exchange")
    @classmethod
    def _lower(cls, value: str | None) -> str | None:
        return None if value is None else value.lower()


class _SymbolRequest(_ExchangeRequest):
    symbol: Symbol


class CombinedPriceRequest(_SymbolRequest):
    """What to ask /combined_price."""


class PriceRequest(_SymbolRequest):
    """What to ask /price."""

    market: Market = Field(default="spot", description="which of the two markets")


class TopSymbolsRequest(_ExchangeRequest):
    """What to ask /top_symbols."""

    market: Market = Field(default="spot", description="which of the two markets")
    limit: Whole = Field(default=10, ge=1, le=100, description="how many")


class VolumeSpikeRequest(_SymbolRequest):
    """What to ask /volume_spike."""

    timeframe: Timeframe = Field(default="15m", description="the candle's length")
    market: Market | None = Field(default=None, description="null: the perpetual, or else spot")


class CvdRequest(VolumeSpikeRequest):
    """What to ask /cvd."""

    timeframe: Timeframe = Field(default="1h", description="the candle's length")


class VolumeScanRequest(_ExchangeRequest):
    """What to ask /volume_scan."""

    threshold_pct: float = Field(
        default=200.0,
        ge=0,
        le=100_000,
        allow_inf_nan=False,
        description="how far above the mean, in percent; 200 is three times the mean",
    )
    timeframe: Timeframe = Field(default="15m", description="the candle's length")
    market: Market = Field(default="perp", description="which of the two markets")
    limit: Whole = Field(default=20, ge=1, le=60, description="how many at most")


class AnalysisRequest(_SymbolRequest):
    """What to ask /comprehensive_analysis."""

    timeframe: Timeframe = Field(default="15m", description="the indicators' candles")


class ForexPairsRequest(_Request):
    """What to ask /forex_pairs: nothing."""


class AccountRequest(_Request):
    """What to ask /balance and /positions: nothing."""


class PnlRequest(_Request):
    """What to ask /pnl."""

    days: Whole = Field(default=7, ge=1, le=90, description="how far back")


class MultiOiRequest(_Request):
    """What to ask /multi_oi."""

    symbol: Symbol = "BTC"
