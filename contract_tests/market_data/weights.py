"""By what the double of each exchange multiplies what is traded: a number of its own for each."""

from botproof.doubles.exchanges import binance_common, bitget, bybit, gate, hyperliquid, okx

WEIGHTS = {
    "binance": binance_common.WEIGHT,
    "bybit": bybit.WEIGHT,
    "okx": okx.WEIGHT,
    "gate": gate.WEIGHT,
    "bitget": bitget.WEIGHT,
    "hyperliquid": hyperliquid.WEIGHT,
}
