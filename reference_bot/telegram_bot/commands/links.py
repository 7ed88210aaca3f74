"""Links to a market's page, as people paste them: the symbol is in the address."""

import re
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

_LINK: Final = re.compile(
    r"(?:https?://|www\.)\S+|(?<!\S)[a-z0-9.-]+\.[a-z]{2,5}/\S+", re.IGNORECASE
)
_MARKETS: Final = (
    "tradingview.com binance.com binance.us bybit.com okx.com gate.io gate.com bitget.com "
    "hyperliquid.xyz coingecko.com coinmarketcap.com finance.yahoo.com kucoin.com mexc.com "
    "kraken.com coinbase.com"
)
_HOSTS: Final = frozenset(_MARKETS.split())
_PLACES: Final = (
    "symbols chart trade trade-spot trade-swap trade-futures spot futures perpetual delivery swap "
    "perps usdt usdc inverse linear quote coins currencies price prices exchange advanced-trade "
    "pro uta"
)
"""Parts of an address that stand before the symbol."""
_BEFORE: Final = frozenset(_PLACES.split())
_NAMED: Final = frozenset({"coins", "currencies", "price", "prices"})
"""After these comes the name of a coin, in words."""
_QUOTES: Final = frozenset({"usdt", "usdc", "usd", "eur", "btc"})
_SLUGS: Final = {
    "the-open-network": "TON",
    "binancecoin": "BNB",
    "hedera-hashgraph": "HBAR",
    "polygon-ecosystem-token": "POL",
    "matic-network": "POL",
    "bittensor": "TAO",
    "render-token": "RENDER",
    "first-digital-usd": "FDUSD",
}
"""Names in addresses that are neither the coin's name nor its symbol."""


def with_links_read(text: str) -> str:
    """Return the text with the symbol in the place of each link to a market.

    Another link is passed over where it does not stand alone.

    >>> with_links_read("https://www.binance.com/en/trade/BTC_USDT?type=spot")
    'BTC_USDT'
    >>> with_links_read("btc https://t.me/news/1"), with_links_read("https://t.me/news/1")
    ('btc ', 'https://t.me/news/1')
    """
    if "." not in text:
        return text
    read = _LINK.sub(lambda found: _symbol_in(found[0]), text)
    return read if any(one.isalnum() for one in read) else text


def _symbol_in(link: str) -> str:
    try:
        parts = urlsplit(link if "://" in link else f"https://{link}")
        host = (parts.hostname or "").lower()
    except ValueError:
        return ""
    if not any(host == one or host.endswith(f".{one}") for one in _HOSTS):
        return ""
    asked = parse_qs(parts.query).get("symbol")
    if asked:
        return asked[0]
    return _in_path([unquote(part) for part in parts.path.split("/") if part])


def _in_path(path: list[str]) -> str:
    before = next((at for at, part in enumerate(path) if part.lower() in _BEFORE), len(path))
    while before < len(path) and path[before].lower() in _BEFORE:
        before += 1
    if before >= len(path):
        return ""
    found, last = path[before], path[before - 1].lower()
    if last in _NAMED:
        slug = re.sub(r"-\d+$", "", found.lower())  # avalanche-2
        return _SLUGS.get(slug) or slug.replace("-", " ")
    if before + 1 < len(path) and path[before + 1].lower() in _QUOTES:
        return f"{found}/{path[before + 1]}"
    return found
