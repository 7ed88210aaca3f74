"""The parts of a page that lets a person walk through a run: its record, its scripts, its policy.

The page is one file and loads nothing. Its policy (CSP) allows the scripts and the style that are
in it, by their hashes, and nothing else: whatever a bot, a venue or a log says stays text.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec

Json = dict[str, Any]

MOST_BYTES: Final = 900_000
"""Of the record in the page, so that the page with all else stays below a megabyte."""

_HERE = "botproof.report"
_CHAT_PAGE = "botproof.doubles.telegram.page"
_SCRIPTS = ("store.js", "timeline.js", "panels.js", "chat.js", "compare.js", "find.js", "walk.js")
_STYLES = ("report.css", "walk.css")
_IMPORT = re.compile(r'^import (\{[^}]+\}) from "\./([\w.]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|let|class) (\w+))", re.MULTILINE)


def packed(record: Json) -> tuple[str, Json]:
    """Return the record as it stands in a page (JSON, gzip, Base64), and the record that was
    packed: what is too large loses what helps least, and says so in `left_out`."""
    text = _pack(record)
    for what, lighten in _LIGHTER:
        if len(text) <= MOST_BYTES:
            break
        record = lighten(record)
        record = {**record, "left_out": [*record["left_out"], what]}
        text = _pack(record)
    return text, record


def _pack(record: Json) -> str:
    # The same record gives the same bytes: no time in the head of the gzip.
    return base64.b64encode(gzip.compress(msgspec.json.encode(record), 9, mtime=0)).decode()


def _without_samples(record: Json) -> Json:
    starved = [
        {**each, "of": [row for row in each["of"] if max(row[2], row[3]) >= 0.05]}
        for each in record["starved"]
    ]
    memory = [{**each, "of": each["of"][::4]} for each in record["memory"]]
    return {**record, "starved": starved, "memory": memory}


def _without_answers(record: Json) -> Json:
    """Return the record in which calls of which the chat shows nothing lose their
    answers; long texts their ends."""
    last = [item["v"][-1] for talk in record["talks"] for item in talk["items"] if "v" in item]
    shown = {state[1] for state in last if len(state) == 3}

    def lighter(event: Json) -> Json:
        return {name: value for name, value in event.items() if name not in ("result", "query")}

    events = [
        event if number in shown else lighter(event)
        for number, event in enumerate(record["events"])
    ]
    return {**record, "events": events}


def _without_easy_load(record: Json) -> Json:
    rows = [
        {**each, "of": [row for n, row in enumerate(each["of"]) if not row[2] or n % 10 == 0]}
        for each in record["load"]["rows"]
    ]
    return {**record, "load": {**record["load"], "rows": rows}}


def _without_far_events(record: Json) -> Json:
    """Keep the words of what is near a finding only."""
    spans = [(m["since"] - 5, m["t"] + 5) for m in record["moments"]] or [(0, 30)]

    def near(event: Json) -> bool:
        return any(a <= event["t"] <= b for a, b in spans)

    light = ("t", "s", "k", "method", "case", "title", "chat_id", "update_id", "process", "status")
    events = [e if near(e) else {k: e[k] for k in light if k in e} for e in record["events"]]
    logs = [
        {**log, "of": [line for line in log["of"] if near({"t": line[0]})]}
        for log in record["logs"]
    ]
    return {**record, "events": events, "logs": logs}


def _only_findings(record: Json) -> Json:
    spans = [(m["since"] - 2, m["t"] + 2) for m in record["moments"][:5]] or [(0, 10)]

    def near(t: float) -> bool:
        return any(a <= t <= b for a, b in spans)

    events = [
        event if near(event["t"]) else {k: event[k] for k in ("t", "s", "k")}
        for event in record["events"]
    ]
    talks = [
        {**talk, "items": [item for item in talk["items"] if near(item["t"])][:200]}
        for talk in record["talks"]
    ]
    shorter = {"events": events, "talks": talks, "starved": [], "cases": record["cases"][:500]}
    return {**record, **shorter}


_LIGHTER: tuple[tuple[str, Callable[[Json], Json]], ...] = (
    ("samples at which nothing waited", _without_samples),
    ("nine in ten requests of the load that were well", _without_easy_load),
    ("answers that no chat shows", _without_answers),
    ("the words of what is far from a finding", _without_far_events),
    ("everything but the first findings", _only_findings),
)


@cache
def script() -> str:
    """Return the page's script: its modules and those by which the chat page draws
    messages, in one."""
    home, chat_page = resources.files(_HERE), resources.files(_CHAT_PAGE)
    sources: list[Traversable] = [chat_page / "static" / n for n in ("entities.js", "view.js")]
    sources += [home / "static" / name for name in _SCRIPTS]
    return "\n".join(["'use strict';", *map(_module, sources)])


def _module(source: Traversable) -> str:
    """Return an ES module as a part of one script: a page that is a file may not load modules."""
    text = source.read_text(encoding="utf-8")
    names = ", ".join(_EXPORT.findall(text))
    text = _IMPORT.sub(lambda found: f"const {found[1]} = {_named(found[2])};", text)
    text = _EXPORT.sub("", text)
    return f"const {_named(source.name)} = (() => {{\n{text}\nreturn {{ {names} }};\n}})();"


def _named(file: str) -> str:
    return f"of_{file.removesuffix('.js')}"


@cache
def style() -> str:
    """Return the page's style."""
    home = resources.files(_HERE)
    return (home / _STYLES[0]).read_text(encoding="utf-8") + (
        home / "static" / _STYLES[1]
    ).read_text(encoding="utf-8")


@cache
def skeleton() -> str:
    """Return the empty parts that the script fills."""
    return (resources.files(_HERE) / "static" / "walk.html").read_text(encoding="utf-8")


def policy(*, live: bool = False) -> str:
    """Return what the page may do: run its own script, wear its own style; nothing is loaded. A
    live page may ask its own server."""
    asks = "'self'" if live else "'none'"
    rules = [
        "default-src 'none'",
        f"script-src '{_hash(script())}'",
        f"style-src '{_hash(style())}'",
        "img-src data:",
        f"connect-src {asks}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
