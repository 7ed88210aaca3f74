"""deploy/systemd: what systemd itself says of the units; left out where it is not installed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
HARDENED = ("telegram-bot", "market-data")
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="Debian's package systemd is not installed"
)


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    command = ("systemd-analyze", *words)
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with programs that this machine has: systemd looks whether they are there."""
    for unit in UNITS.glob("*.service"):
        text = re.sub(r"/opt/market-bot/\w+/bin/python", sys.executable, unit.read_text())
        text = text.replace("/usr/bin/docker", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    return tmp_path


@needs_systemd
def test_systemd_has_nothing_to_say_against_the_units(units: Path) -> None:
    done = analyze("verify", *map(str, sorted(units.glob("*.service"))))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
def test_systemd_sees_a_mistake_in_a_unit(units: Path) -> None:
    unit = units / "telegram-bot.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=60", "WatchdogSeconds=60"))
    assert "WatchdogSeconds" in analyze("verify", str(unit)).stderr


@needs_systemd
@pytest.mark.parametrize("name", HARDENED)
def test_a_service_is_exposed_to_little(units: Path, name: str) -> None:
    """Of 10: what is left is the network, which both need."""
    done = analyze("security", "--offline=true", "--threshold=20", str(units / f"{name}.service"))
    assert done.returncode == 0, done.stdout + done.stderr
