"""Where a venue lives on the Internet, and which path of the double stands for it.

A bot that insists on `https://api.binance.com` reaches the double by that name; the `Host` of its
request then says which venue is meant. Sources: the venues' own documentation of their base URLs,
and those that ccxt has.
"""

from __future__ import annotations

from collections.abc import Mapping

HOSTS: Mapping[str, str] = {
    "api.binance.com": "/binance/spot",
    "api1.binance.com": "/binance/spot",
    "api2.binance.com": "/binance/spot",
    "api3.binance.com": "/binance/spot",
    "api4.binance.com": "/binance/spot",
    "api-gcp.binance.com": "/binance/spot",
    "data-api.binance.vision": "/binance/spot",
    "www.binance.com": "/binance/spot",  # has /api/v3, too, as many sources name it
    "api.binance.us": "/binance/spot",  # the same API of another market
    "fapi.binance.com": "/binance/futures",
    "dapi.binance.com": "/binance/coin",
    "api.bybit.com": "/bybit",
    "api.bytick.com": "/bybit",
    "www.okx.com": "/okx",
    "okx.com": "/okx",
    "aws.okx.com": "/okx",
    "api.gateio.ws": "/gate",
    "fx-api.gateio.ws": "/gate",
    "api.bitget.com": "/bitget",
    "api.hyperliquid.xyz": "/hyperliquid",
    "query1.finance.yahoo.com": "/yahoo",
    "query2.finance.yahoo.com": "/yahoo",
}


def prefix_of(host: str) -> str:
    """Return the path that stands for this `Host`; "" for the double's own address.

    >>> prefix_of("FAPI.binance.com:443"), prefix_of("127.0.0.1:9001")
    ('/binance/futures', '')
    """
    return HOSTS.get(host.partition(":")[0].rstrip(".").lower(), "")
