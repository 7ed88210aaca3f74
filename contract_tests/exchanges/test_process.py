"""The exchange double as a process of its own."""

import json
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import httpx


def test_sigterm_ends_it_while_it_draws_a_long_history() -> None:
    """A thousand days take it minutes to draw; it ends at once all the same."""
    command = [sys.executable, "-m", "botproof", "double", "exchanges", "--now", "1763780000000"]
    with subprocess.Popen([*command, "--seed", "7"], stdout=subprocess.PIPE, text=True) as double:
        try:
            url = json.loads(double.stdout.readline())["url"]
            address = urlsplit(url)
            with socket.create_connection((address.hostname, address.port)) as asker:
                path = "/binance/spot/api/v3/klines?symbol=BTCUSDT&interval=1d&limit=1000"
                asker.sendall(f"GET {path} HTTP/1.1\r\nHost: double\r\n\r\n".encode())
                # The loop has read the request above before this one, and still answers.
                assert httpx.get(f"{url}/_double/health", trust_env=False, timeout=60).json()["ok"]
                double.terminate()
                assert double.wait(60) == 0
        finally:
            double.kill()
