"""Who is told: a line of JSON on stdout, the operator's chat, a command; and the heartbeat.

Every alert waits in an outbox, which is kept with the state, until each output has taken it. What
cannot be delivered is tried again at every tick, for a day at most.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from botproof.watch import web
from botproof.watch.judge import Alert, Sample
from botproof.watch.settings import Settings

_TELEGRAM_S = 10.0
_COMMAND_S = 30.0
_KEEP_S = 86400.0
_MOST = 500
Print = Callable[[str], object]


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Outputs:
    """Hands alerts out. `outbox` is a list that outlives a restart."""

    def __init__(
        self, settings: Settings, outbox: list[dict[str, Any]], say: Print = _print
    ) -> None:
        self._settings, self._outbox, self._say = settings, outbox, say
        self._quiet_until = 0.0
        self._failures: dict[str, str] = {}

    def add(self, alerts: Sequence[Alert]) -> None:
        """Put alerts into the outbox, for every output that is set."""
        wanted = ["stdout"]
        wanted += ["telegram"] if self._settings.operator_token else []
        wanted += ["command"] if self._settings.command else []
        for alert in alerts:
            self._outbox.append({"alert": alert.document(), "to": list(wanted)})
        del self._outbox[:-_MOST]

    def deliver(self, now: float, taken: Callable[[], object]) -> None:
        """Deliver what waits, in order. `taken` is called after each delivery: keep the state."""
        sends = {"stdout": self._stdout, "telegram": self._telegram, "command": self._command}
        broken: set[str] = set()
        for entry in list(self._outbox):
            for output in list(entry["to"]):
                if output in broken or (output == "telegram" and now < self._quiet_until):
                    continue
                try:
                    sends[output](entry["alert"], now)
                except (web.Unanswered, OSError, subprocess.SubprocessError) as error:
                    broken.add(output)  # the later ones wait behind it, in their order
                    if self._failures.get(output) != str(error):  # not again at every look
                        self.note("output_failed", output=output, why=str(error))
                    self._failures[output] = str(error)
                    continue
                self._failures.pop(output, None)
                entry["to"].remove(output)
                taken()
            if not entry["to"] or entry["alert"]["at"] < now - _KEEP_S:
                self._outbox.remove(entry)

    def note(self, event: str, **fields: Any) -> None:
        """Write a line about the watch itself; where nobody reads it, it goes on without."""
        with contextlib.suppress(OSError):
            self._say(json.dumps({"event": event, **fields}, ensure_ascii=False))

    def heartbeat(self) -> None:
        """Tell the dead man's switch that the watch lives; whoever misses it raises the alarm."""
        if not self._settings.heartbeat:
            return
        try:
            answer = web.ask(self._settings.heartbeat, self._settings.timeout_s)
        except web.Unanswered as error:
            self.note("heartbeat_failed", why=str(error))
        else:
            if answer.status >= 300:
                self.note("heartbeat_failed", why=f"HTTP {answer.status}")

    def _stdout(self, alert: dict[str, Any], _now: float) -> None:
        self._say(json.dumps(alert, ensure_ascii=False))

    def _telegram(self, alert: dict[str, Any], now: float) -> None:
        sign = "✅" if alert["state"] == "ended" else _SIGNS[alert["severity"]]
        text = f"{sign} {alert['text']}\n{alert['runbook']}"
        settings = self._settings
        url = f"{settings.telegram_api}/bot{settings.operator_token}/sendMessage"
        body = json.dumps({"chat_id": settings.operator_chat, "text": text[:4000]})
        answer = web.ask(url, _TELEGRAM_S, body=body)
        if answer.status == 200:
            return
        document = answer.json()
        if not isinstance(document, dict):
            raise web.Unanswered(f"Telegram answers {answer.status}")
        self._quiet_until = now + (document.get("parameters") or {}).get("retry_after", 0)
        raise web.Unanswered(f"Telegram answers {answer.status} {document.get('description', '')}")

    def _command(self, alert: dict[str, Any], _now: float) -> None:
        """Give the command the alert as JSON on its standard input."""
        done = subprocess.run(
            [*self._settings.command],
            input=json.dumps(alert, ensure_ascii=False),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=_COMMAND_S,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines()
            self.note(
                "command_failed", code=done.returncode, why=said[-1] if said else "it said nothing"
            )


_SIGNS = {"critical": "🔴", "warning": "🟠"}


def write_textfile(path: Path, samples: Sequence[Sample]) -> None:
    """Write the samples for node_exporter's textfile collector. Raises OSError."""
    lines = []
    for figure in sorted({sample.figure for sample in samples}):
        lines.append(f"# TYPE botproof_watch_{figure} gauge")
        for sample in samples:
            if sample.figure == figure:
                subject = json.dumps(sample.subject, ensure_ascii=False)  # escaped alike
                lines.append(f"botproof_watch_{figure}{{subject={subject}}} {sample.value:.10g}")
    part = path.with_suffix(".tmp")
    part.write_text("\n".join([*lines, ""]), encoding="utf-8")
    part.replace(path)


def send_statsd(address: str, samples: Sequence[Sample], counts: Mapping[str, float]) -> None:
    """Send the figures as gauges to a StatsD (CloudWatch's agent is one), and `counts` beside them.

    Raises OSError. UDP: nobody knows whether it arrived, and nobody waits for it.
    """
    host, _, port = address.rpartition(":")
    lines = [f"botproof_{name}:{value:.10g}|g" for name, value in counts.items()]
    for sample in samples:
        subject = "".join(c if c.isalnum() or c in "-_./" else "_" for c in sample.subject)
        lines.append(f"botproof_{sample.figure}:{sample.value:.10g}|g|#subject:{subject}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for line in lines:  # one a packet, as every StatsD takes it
            out.sendto(line.encode(), (host, int(port)))
