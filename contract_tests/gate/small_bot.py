"""A small bot that polls with nothing but the standard library, and its botproof.toml."""

import sys
from pathlib import Path

from contract_tests.gate_run import GateRun

HEAD = """
import json, os, signal, sys, time, urllib.request
API = os.environ["API"] + "/bot" + os.environ["TOKEN"] + "/"
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
def call(method, **fields):
    made = urllib.request.Request(API + method, json.dumps(fields).encode(),
                                  {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(made, timeout=60))["result"]
def updates():
    offset = 0
    while True:
        try:
            given = call("getUpdates", offset=offset, timeout=50)
        except OSError:
            time.sleep(0.3)
            continue
        for update in given:
            offset = update["update_id"] + 1
            yield update
"""
BOT_TOML = f"""
name = "small"
[bot]
command = ["{sys.executable}", "bot.py"]
ready = "telegram"
[bot.env]
TOKEN = "{{token}}"
API = "{{url:telegram_double}}"
"""


def gate_of(folder: Path, program: str, toml: str) -> GateRun:
    """Write the bot with what it does, and the rest of its botproof.toml; run its gate."""
    (folder / "bot.py").write_text(HEAD + program)
    config = folder / "botproof.toml"
    config.write_text(BOT_TOML + toml)
    return GateRun(folder / "report", "--config", str(config), cwd=folder)
