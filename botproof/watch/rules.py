"""The rules of the watch, as data. What a rule means is in `judge`; each limit has its source.

A rule looks at one kind of figure of each subject (a service, the host, a venue). Its condition
has to hold for `for_s` seconds before it is told, and its end for `clear_for_s` seconds; between
`limit` and `clear` nothing changes, so that a figure on the edge raises one alert and not twenty.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["above", "below", "increase"]


class Rule(NamedTuple):
    """One rule. `increase` compares what a counter grew by in the last `window_s` seconds."""

    name: str
    figure: str
    kind: Kind
    limit: float
    clear: float
    for_s: float
    severity: Literal["critical", "warning"]
    says: str
    prometheus: str
    """The same figure in PromQL, one series a subject; compared with the same limit."""
    clear_for_s: float = 60.0
    window_s: float = 0.0
    source: str = ""

    def holds(self, value: float) -> bool:
        """Tell whether the condition holds at this figure."""
        return value < self.limit if self.kind == "below" else value > self.limit

    def over(self, value: float) -> bool:
        """Tell whether the figure is back on the good side of `clear`."""
        return value >= self.clear if self.kind == "below" else value <= self.clear


_DOCUMENTS = "Deployment Summary; Synchronization Plan"
_PLAN = "AWS Deployment Plan"
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_MB = 1_000_000.0  # the watch runs where no package is installed: `botproof.budgets` needs one


def _own(figure: str) -> str:
    """Return the figure as the watch itself writes it for node_exporter's textfile collector."""
    return f"botproof_watch_{figure}"


RULES: tuple[Rule, ...] = (
    Rule(
        *("offline", "up", "below", 1, 1, 5 * _MINUTE, "critical"),
        says="does not answer at /health",
        prometheus='probe_success{job="health"}',
        source=_DOCUMENTS,
    ),
    Rule(
        *("not_ready", "ready", "below", 1, 1, 5 * _MINUTE, "critical"),
        says="runs, and says at /ready that it cannot do its work",
        prometheus='probe_success{job="ready"}',
        source=_PLAN,
    ),
    Rule(
        *("mute", "answered", "below", 1, 1, 5 * _MINUTE, "critical"),
        says="a real question gets no answer, or a wrong one",
        prometheus=_own("answered"),
        source=_PLAN,
    ),
    Rule(
        *("slow", "answer_seconds", "above", 5, 2, 5 * _MINUTE, "critical"),
        says="real questions take more than five seconds",
        prometheus=_own("answer_seconds"),
        source=_PLAN,
    ),
    Rule(
        *("cpu", "cpu_ratio", "above", 0.80, 0.70, 10 * _MINUTE, "warning"),
        says="processors busy",
        prometheus='1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[2m]))',
        source=_DOCUMENTS,
    ),
    Rule(
        *("memory", "memory_ratio", "above", 0.80, 0.75, 30, "warning"),
        says="memory of the machine in use",
        prometheus="1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
        source=_DOCUMENTS,
    ),
    Rule(
        *("memory_critical", "memory_ratio", "above", 0.90, 0.85, 30, "critical"),
        says="memory of the machine in use",
        prometheus="1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
        source=_DOCUMENTS,
    ),
    Rule(
        *("service_memory", "service_memory_ratio", "above", 0.80, 0.75, 30, "warning"),
        says="memory in use of what the service may have",
        prometheus=_own("service_memory_ratio"),
        source=_DOCUMENTS,
    ),
    Rule(
        *("service_memory_critical", "service_memory_ratio", "above", 0.90, 0.85, 30, "critical"),
        says="memory in use of what the service may have",
        prometheus=_own("service_memory_ratio"),
        source=_DOCUMENTS,
    ),
    Rule(
        *("fleet_memory", "fleet_memory_bytes", "above", 900 * _MB, 850 * _MB, 300, "critical"),
        says="memory of all services together: the limit at which the plan rolls back",
        prometheus=_own("fleet_memory_bytes"),
        source=_PLAN,
    ),
    Rule(
        *("memory_pressure", "memory_pressure_ratio", "above", 0.20, 0.10, 120, "critical"),
        says="time that programs stood still for want of memory",
        prometheus="rate(node_pressure_memory_stalled_seconds_total[1m])",
        source="our own: a machine of 904 MB thrashes before it reaches 900",
    ),
    Rule(
        *("disk", "disk_ratio", "above", 0.85, 0.82, 30, "warning"),
        says="disk in use",
        prometheus='1 - node_filesystem_avail_bytes{mountpoint="/"}'
        ' / node_filesystem_size_bytes{mountpoint="/"}',
        source=_DOCUMENTS,
    ),
    Rule(
        *("errors", "error_lines", "increase", 10, 5, 0, "warning"),
        says="errors in the log within an hour",
        prometheus=f"increase({_own('error_lines')}[1h])",
        window_s=_HOUR,
        source=_DOCUMENTS,
    ),
    Rule(
        *("no_signal", "signal_age_seconds", "above", _DAY, _DAY, 0, "warning"),
        says="seconds since the last signal",
        prometheus="time() - bot_signal_last_timestamp_seconds",
        clear_for_s=0.0,
        source=_DOCUMENTS,
    ),
    Rule(
        *("restarted", "restarts", "increase", 0, 0, 0, "warning"),
        says="restarts within 15 minutes",
        prometheus=f"increase({_own('restarts')}[15m])",
        window_s=15 * _MINUTE,
        source="our own: a supervisor hides a crash",
    ),
    Rule(
        *("out_of_memory", "oom_kills", "increase", 0, 0, 0, "critical"),
        says="processes killed within an hour because memory had run out",
        prometheus="increase(node_vmstat_oom_kill[1h])",
        window_s=_HOUR,
        source="our own: the kernel ends a process without a word in its log",
    ),
    Rule(
        *("certificate", "certificate_days", "below", 14, 15, 30, "warning"),
        says="days until the certificate ends (-1: it is not valid)",
        prometheus="(probe_ssl_earliest_cert_expiry - time()) / 86400",
        source="our own: it is renewed at 30 days, and Telegram stops delivering without it",
    ),
    Rule(
        *(
            "webhook_errors",
            "webhook_error_age_seconds",
            "below",
            180,
            180,
            5 * _MINUTE,
            "critical",
        ),
        says="Telegram could not deliver again and again; seconds since its last error",
        prometheus=_own("webhook_error_age_seconds"),
        clear_for_s=0.0,
        source="our own: Telegram tries again within two minutes",
    ),
    Rule(
        *("webhook_gone", "webhook_registered", "below", 1, 1, 2 * _MINUTE, "critical"),
        says="the webhook that Telegram has is not this bot's",
        prometheus=_own("webhook_registered"),
        source="our own: somebody else's program took the token, or deleted the webhook",
    ),
    Rule(
        *("pending", "pending_updates", "above", 20, 5, 5 * _MINUTE, "critical"),
        says="updates wait at Telegram",
        prometheus=_own("pending_updates"),
        source="our own: nobody takes them in",
    ),
    Rule(
        *("venue", "venue_reachable", "below", 1, 1, 10 * _MINUTE, "warning"),
        says="the exchange cannot be reached",
        prometheus=_own("venue_reachable"),
        source="our own: answers are made without it",
    ),
    Rule(
        *("blind", "measured", "below", 1, 1, 15 * _MINUTE, "warning"),
        says="the watch cannot measure this",
        prometheus=_own("measured"),
        source="our own: silence must not look like health",
    ),
)


def by_name() -> dict[str, Rule]:
    """Return the rules by their names."""
    return {rule.name: rule for rule in RULES}
