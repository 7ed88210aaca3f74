"""One signed account at Binance: balances, positions and income, all following from the market.

The account of `KEY` and `SECRET` holds 0.5 BTC long and 10 ETH short since 24 hours ago. Signatures
are checked as Binance checks them: HMAC-SHA256 over the query string before ``signature``, and a
``timestamp`` within ``recvWindow`` of the venue's clock.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from botproof.doubles.exchanges.binance_common import refuse
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import DAY, HOUR
from botproof.doubles.exchanges.wire import Call

KEY: Final = "double-key"
SECRET: Final = "double-secret"  # noqa: S105 - the double's, known to everybody
WALLET: Final = 10_000.0
POSITIONS: Final = {"BTC": 0.5, "ETH": -10.0}
_FEE: Final = 0.0004
_WINDOW: Final = 5000


@dataclass(frozen=True, slots=True)
class _Account:
    market: Market
    now: int
    call: Call

    @property
    def opened(self) -> int:
        """When the positions were opened: on the hour, a day ago."""
        return (self.now - DAY) // HOUR * HOUR

    def unrealised(self, base: str) -> float:
        gained = self.market.mark_price(base, self.now) - entry_price(self.market, base, self.now)
        return POSITIONS[base] * gained


def entry_price(market: Market, base: str, now: int) -> float:
    """Return at what price the account opened its position."""
    return market.mark_price(base, (now - DAY) // HOUR * HOUR)


def account_answer(market: Market, call: Call) -> Any:
    """Answer a signed call; Refusal in Binance's words when the signature or the time is wrong."""
    if call.headers.get("x-mbx-apikey") != KEY:
        raise refuse(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    signed, _, signature = call.raw_query.rpartition("&signature=")
    expected = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature.lower(), expected):
        raise refuse(-1022, "Signature for this request is not valid.")
    stamp = call.query.get("timestamp", "")
    window = int(call.query.get("recvWindow", str(_WINDOW)))
    late = call.now - int(stamp) if stamp.isdigit() else window + 1
    if not -1000 < late <= window:
        raise refuse(-1021, "Timestamp for this request is outside of the recvWindow.")
    return ACCOUNT_PATHS[call.path](_Account(market, call.now, call))


def _spot(account: _Account) -> Any:
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "updateTime": account.opened,
        "accountType": "SPOT",
        "balances": [
            {"asset": "BTC", "free": "0.12500000", "locked": "0.02500000"},
            {"asset": "USDT", "free": "2500.50000000", "locked": "0.00000000"},
            {"asset": "DOGE", "free": "0.00000000", "locked": "0.00000000"},
        ],
        "permissions": ["SPOT"],
    }


def _futures(account: _Account) -> Any:
    open_pnl = sum(account.unrealised(base) for base in POSITIONS)
    return [
        {
            "accountAlias": "SgsR",
            "asset": "USDT",
            "balance": f"{WALLET:.8f}",
            "crossWalletBalance": f"{WALLET:.8f}",
            "crossUnPnl": f"{open_pnl:.8f}",
            "availableBalance": f"{WALLET * 0.8:.8f}",
            "maxWithdrawAmount": f"{WALLET * 0.8:.8f}",
            "marginAvailable": True,
            "updateTime": account.opened,
        }
    ]


def _positions(account: _Account) -> Any:
    rows = []
    for base, amount in POSITIONS.items():
        mark = account.market.mark_price(base, account.now)
        entry = entry_price(account.market, base, account.now)
        rows.append(
            {
                "symbol": f"{base}USDT",
                "positionSide": "BOTH",
                "positionAmt": str(amount),
                "entryPrice": f"{entry:.8f}",
                "breakEvenPrice": f"{entry:.8f}",
                "markPrice": f"{mark:.8f}",
                "unRealizedProfit": f"{account.unrealised(base):.8f}",
                "liquidationPrice": f"{entry * (0.5 if amount > 0 else 1.5):.8f}",
                "isolatedMargin": "0",
                "notional": f"{amount * mark:.8f}",
                "marginAsset": "USDT",
                "isolatedWallet": "0",
                "initialMargin": f"{abs(amount) * mark / 10:.8f}",
                "maintMargin": f"{abs(amount) * mark / 200:.8f}",
                "positionInitialMargin": f"{abs(amount) * mark / 10:.8f}",
                "openOrderInitialMargin": "0",
                "adl": 2,
                "bidNotional": "0",
                "askNotional": "0",
                "updateTime": account.opened,
            }
        )
    return rows


def _income(account: _Account) -> Any:
    start = int(account.call.query.get("startTime", "0"))
    limit = min(int(account.call.query.get("limit", "100")), 1000)
    rows = []
    for base, amount in POSITIONS.items():
        entry = entry_price(account.market, base, account.now)
        fee = -abs(amount) * entry * _FEE
        rows.append(_entry(base, "COMMISSION", fee, account.opened))
        hours = account.market.coins[base].funding_hours
        first = (account.opened // (hours * HOUR) + 1) * hours * HOUR
        for at in range(first, account.now + 1, hours * HOUR):
            rate = account.market.funding_rate(base, at, hours) / 1e8
            paid = -amount * account.market.mark_price(base, at) * rate
            rows.append(_entry(base, "FUNDING_FEE", paid, at))
    rows.append(_entry("SOL", "REALIZED_PNL", 123.45, account.opened - HOUR))
    deposit = _entry("", "TRANSFER", 250.0, account.now - HOUR)
    rows.append({**deposit, "symbol": ""})
    kept = [row for row in rows if row["time"] >= start]
    return sorted(kept, key=lambda row: row["time"])[:limit]


def _entry(base: str, kind: str, income: float, at: int) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "incomeType": kind,
        "income": f"{income:.8f}",
        "asset": "USDT",
        "info": kind,
        "time": at,
        "tranId": at,
        "tradeId": "",
    }


ACCOUNT_PATHS: dict[str, Callable[[_Account], Any]] = {
    "/spot/api/v3/account": _spot,
    "/futures/fapi/v3/balance": _futures,
    "/futures/fapi/v3/positionRisk": _positions,
    "/futures/fapi/v1/income": _income,
}
"""The signed paths, as the exchange double serves them."""
