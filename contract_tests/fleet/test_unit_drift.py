"""Drift of systemd's units; `systemctl show` says what systemd 252 said of the bot that it ran."""

import os
import shutil
from pathlib import Path

import pytest

from botproof.fleet.shape import Secrets
from botproof.fleet.units import Machine, differences_of
from botproof.problems import UsageError

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "telegram-bot.service"
COMMAND = "/opt/market-bot/venv/bin/python\0-m\0reference_bot.telegram_bot\0"
SETTINGS = "TELEGRAM_BOT_TOKEN=42:AAAA\n# a comment\nBOT_MODE=polling\n"
SHOWN = """\
MainPID=57
LoadState=loaded
ActiveState=active
FragmentPath=/etc/systemd/system/telegram-bot.service
DropInPaths=
NeedDaemonReload=no
"""
NOT_FOUND = """\
MainPID=0
LoadState=not-found
ActiveState=inactive
FragmentPath=
DropInPaths=
NeedDaemonReload=no
"""
OVERRIDE = "etc/systemd/system/telegram-bot.service.d/override.conf"


class Host:
    """A machine in a directory, with a systemctl that says what was recorded."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("etc/systemd/system/telegram-bot.service", UNIT.read_text())
        self.write("etc/market-bot/bot.env", SETTINGS)
        own = "PATH=/usr/bin\nINVOCATION_ID=3f\nNOTIFY_SOCKET=/run/systemd/notify\n"
        own += "WATCHDOG_USEC=60000000\nSTATE_DIRECTORY=/var/lib/market-bot\n"
        given = "MARKET_DATA_URL=http://127.0.0.1:8001\nWEBHOOK_HOST=127.0.0.1\n"
        given += "WEBHOOK_PORT=5000\nINBOX_PATH=/var/lib/market-bot/inbox.sqlite3\n"
        given += SETTINGS.replace("# a comment\n", "")
        self.write("proc/57/environ", (own + given).replace("\n", "\0"))
        self.write("proc/57/cmdline", COMMAND)
        self.says(SHOWN)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def says(self, text: str) -> None:
        self.write("shown", text)
        self.write("bin/systemctl", f"#!/bin/sh\ncat {self.root}/shown\n")
        (self.root / "bin" / "systemctl").chmod(0o755)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def drift(self) -> dict[str, tuple[str, str]]:
        found = differences_of(UNIT, Machine(self.root), Secrets(b"k"))
        assert {each.where for each in found} <= {"telegram-bot.service"}
        assert all(each.repair for each in found)
        return {each.what: (each.expected, each.found) for each in found}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Host(tmp_path)


def test_what_runs_as_committed_differs_in_nothing(host: Host) -> None:
    assert host.drift() == {}


def test_a_unit_that_was_edited_on_the_machine_is_named_by_its_directive(host: Host) -> None:
    host.edit("etc/systemd/system/telegram-bot.service", "MemoryMax=256M", "MemoryMax=1G")
    host.edit("shown", "NeedDaemonReload=no", "NeedDaemonReload=yes")
    assert host.drift() == {
        "Service.MemoryMax": ("256M", "1G"),
        "loaded unit": ("as its files say", "an older one"),
    }


def test_a_drop_in_is_named_even_where_systemd_has_not_seen_it(host: Host) -> None:
    host.write(OVERRIDE, "[Service]\nEnvironment=API_TOKEN=xyz DEBUG=1\nExecStart=\nExecStart=x\n")
    found = host.drift()
    token = found.pop("Service.Environment API_TOKEN")
    assert token[1].startswith("a secret (hash ")
    assert found == {
        "Service.Environment DEBUG": ("nothing", "1"),
        "Service.ExecStart": (COMMAND.replace("\0", " ").strip(), "x"),
        "drop-in": ("none", f"/{OVERRIDE}"),
        "loaded unit": ("as its files say", "an older one"),
    }


def test_a_drop_in_that_is_loaded_shows_in_the_process_too(host: Host) -> None:
    host.write(OVERRIDE, "[Service]\nExecStart=\nExecStart=/usr/bin/python3 main.py\n")
    host.edit("shown", "DropInPaths=", f"DropInPaths=/{OVERRIDE}")
    host.write("proc/57/cmdline", "/usr/bin/python3\0main.py\0")
    found = host.drift()
    assert set(found) == {"Service.ExecStart", "drop-in", "process"}
    assert found["process"][1] == "/usr/bin/python3 main.py"


def test_settings_that_were_edited_and_not_applied_are_named(host: Host) -> None:
    host.edit("etc/market-bot/bot.env", "BOT_MODE=polling", "BOT_MODE=webhook\nADDED=1")
    host.edit("etc/market-bot/bot.env", "42:AAAA", "43:BBBB")
    found = host.drift()
    token = found.pop("environment TELEGRAM_BOT_TOKEN")
    assert all(value.startswith("a secret") for value in token)
    assert found == {
        "environment BOT_MODE": ("webhook", "polling"),
        "environment ADDED": ("1", "nothing"),
    }


def test_a_service_that_is_not_there_or_does_not_run_is_named(host: Host) -> None:
    host.says(NOT_FOUND)
    assert host.drift() == {"unit": ("loaded", "not-found")}
    host.says(SHOWN.replace("=active", "=failed").replace("57", "0"))
    assert host.drift() == {"state": ("active", "failed")}


def test_what_cannot_be_read_is_said(host: Host) -> None:
    shutil.rmtree(host.root / "proc")
    with pytest.raises(UsageError, match="process 57: No such file or directory; run this as root"):
        host.drift()
