"""One look at everything that watch.toml names: samples for the rules.

A question that fails is either the figure itself (nobody answers at /health) or no figure at all
(Docker cannot be asked): then `measured` is 0 for it, and the rule `blind` says so in time.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from botproof.watch import web
from botproof.watch.judge import Sample
from botproof.watch.machine import Machine
from botproof.watch.programs import Place, Programs
from botproof.watch.settings import Ask, Canary, Service, Settings, Telegram

_CERTIFICATE_EVERY_S = 3600.0
_NEVER_S = 30 * 86400.0
"""The age that stands for "there was none"."""
_OTHER_SHAPE = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What an answer of another shape than expected runs into: no reason for the watch to end."""
_SERVICE = re.compile(r"\{([^{}]*)\}")
Clock = Callable[[], float]


class _Unaddressed(web.Unanswered):
    """Where a service is could not be asked: whether it would have answered is not known."""


class Look:
    """Asks everything once a call. `memory` is a dictionary that outlives a restart."""

    def __init__(
        self,
        settings: Settings,
        memory: dict[str, Any],
        *,
        monotonic: Clock = time.monotonic,
        machine: Machine | None = None,
    ) -> None:
        self._settings, self._memory, self._monotonic = settings, memory, monotonic
        self._machine = machine or Machine(settings.disks, memory)
        self._programs = Programs(settings.docker_socket, memory)
        self._due: dict[str, float] = {}
        self._held: dict[str, list[Sample]] = {}
        self._addresses: dict[str, str] = {}

    def once(self, now: float) -> list[Sample]:
        """Return every figure of this moment."""
        found = list(self._machine.look())
        for service in self._settings.services:
            found += self._service(service, now)
        sizes = [s.value for s in found if s.figure == "service_memory_bytes"]
        if sizes:
            found.append(Sample("fleet_memory_bytes", "fleet", sum(sizes)))
        found += self._sometimes("answers", self._settings.ask_every_s, now, self._answers)
        found += self._outside(now)
        return found

    def _sometimes(
        self, what: str, every_s: float, now: float, ask: Callable[[], Iterator[Sample]]
    ) -> list[Sample]:
        """Return the samples of what is asked more rarely: each counts until it is asked again."""
        early = self._settings.every_s / 2  # a tick that comes a little early is in time
        if not now < self._due.get(what, 0.0) - early < now + every_s:
            self._due[what] = now + every_s
            self._held[what] = list(ask())
        return self._held[what]

    # ---- services ----

    def _service(self, service: Service, now: float) -> Iterator[Sample]:
        about = f"service {service.name}"
        try:
            place = self._programs.place(service)
            samples = list(self._programs.look(service, place, now))
        except (web.Unanswered, *_OTHER_SHAPE) as error:
            yield Sample("measured", about, 0, str(error) or type(error).__name__)
            place, samples = Place(), []
            if service.container:  # whether it is well cannot be known, and its address neither
                return
        else:
            self._addresses[service.name] = place.address
            if service.container or service.unit or service.pid_file:
                yield Sample("measured", about, 1)
        yield from samples
        yield from self._doors(service, place)

    def _doors(self, service: Service, place: Place) -> Iterator[Sample]:
        if place.why:
            yield Sample("up", service.name, 0, place.why)
            return
        if service.health:
            up, why = self._answers_200(service.health)
            yield Sample("up", service.name, up, why)
            if not up:  # the one alert says it; a second question would only wait once more
                return
        elif place.pid:
            yield Sample("up", service.name, 1)
        if service.ready:
            ready, why = self._answers_200(service.ready)
            yield Sample("ready", service.name, ready, why)

    def _answers_200(self, url: str) -> tuple[float, str]:
        try:
            answer = self._ask(url)
        except web.Unanswered as error:
            return 0, str(error)
        if answer.status == 200:
            return 1, ""
        return 0, f"HTTP {answer.status} {answer.body[:200].decode(errors='replace')}".strip()

    # ---- real questions ----

    def _answers(self) -> Iterator[Sample]:
        if self._settings.ask is not None:
            yield from self._timed("question", lambda: self._asked(self._settings.ask))
        if self._settings.canary is not None:
            yield from self._timed("canary", lambda: self._canary(self._settings.canary))

    def _timed(self, subject: str, put: Callable[[], str]) -> Iterator[Sample]:
        """`put` returns what is wrong with the answer, or "" where all is well."""
        began = self._monotonic()
        try:
            wrong = put()
        except _Unaddressed as error:
            yield Sample("measured", subject, 0, str(error))
            return
        except web.Unanswered as error:
            wrong = str(error)
        except _OTHER_SHAPE as error:
            wrong = f"an answer of another shape: {error!r}"
        seconds = self._monotonic() - began
        yield Sample("measured", subject, 1)
        yield Sample("answered", subject, 0 if wrong else 1, wrong)
        if not wrong:
            yield Sample("answer_seconds", subject, seconds)

    def _asked(self, ask: Ask | None) -> str:
        assert ask is not None  # noqa: S101 - for mypy; asked only where there is one
        url, timeout = self._addressed(ask.url), self._settings.answer_timeout_s
        answer = web.ask(url, timeout, body=ask.body or None, headers=ask.headers)
        text = answer.body.decode(errors="replace")
        if answer.status != 200:
            return f"HTTP {answer.status} {text[:200]}"
        return _missing(ask.expect, text)

    def _canary(self, canary: Canary | None) -> str:
        """Ask in the group, and wait for the other bot's message that answers."""
        assert canary is not None  # noqa: S101 - as above
        offset = -1
        for update in self._call(canary.token, "getUpdates", offset=-1, timeout=0):
            offset = update["update_id"] + 1
        asked = self._call(canary.token, "sendMessage", chat_id=canary.chat_id, text=canary.text)[
            "message_id"
        ]
        end = self._monotonic() + self._settings.answer_timeout_s
        heard = ""
        while (left := end - self._monotonic()) > 0:
            wait = max(1, int(left))
            more = {"offset": offset} if offset > 0 else {}
            for update in self._call(canary.token, "getUpdates", timeout=wait, **more):
                offset = update["update_id"] + 1
                text = _reply(update, canary.chat_id, asked)
                if text is not None:
                    heard = _missing(canary.expect, text)
                    if not heard:
                        return ""
        return heard or f"no answer within {self._settings.answer_timeout_s:g} s"

    def _call(self, token: str, method: str, **params: Any) -> Any:
        url = f"{self._settings.telegram_api}/bot{token}/{method}"
        timeout = self._settings.timeout_s + params.get("timeout", 0)
        answer = web.ask(url, timeout, body=json.dumps(params))
        document = answer.json()
        if not isinstance(document, dict) or not document.get("ok"):
            said = document.get("description", "") if isinstance(document, dict) else ""
            raise web.Unanswered(f"Telegram answers {answer.status} {said}".strip())
        return document["result"]

    # ---- what lies outside the fleet ----

    def _outside(self, now: float) -> Iterator[Sample]:
        settings = self._settings
        if settings.telegram is not None:
            yield from self._measured("Telegram", self._webhook(settings.telegram, now))
        if settings.certificate:
            yield from self._sometimes(
                "certificate",
                _CERTIFICATE_EVERY_S,
                now,
                lambda: self._measured("the certificate", self._certificate(now)),
            )
        if settings.signals_url:
            yield from self._measured("signals", self._signals(now))
        if settings.venues_url:
            yield from self._measured("exchanges", self._told_venues())
        for name, url in settings.venues.items():
            reachable, why = self._answers_200(url)
            yield Sample("venue_reachable", name, reachable, why)

    def _measured(self, what: str, samples: Iterator[Sample]) -> Iterator[Sample]:
        try:
            yield from samples
        except web.Unanswered as error:
            yield Sample("measured", what, 0, str(error))
        except _OTHER_SHAPE as error:
            yield Sample("measured", what, 0, f"an answer of another shape: {error!r}")
        else:
            yield Sample("measured", what, 1)

    def _webhook(self, telegram: Telegram, now: float) -> Iterator[Sample]:
        info = self._call(telegram.token, "getWebhookInfo")
        yield Sample("pending_updates", "Telegram", float(info.get("pending_update_count", 0)))
        url = str(info.get("url", ""))
        wanted = telegram.webhook
        note = "" if url == wanted else f"Telegram has {url or 'none'}, not {wanted or 'none'}"
        yield Sample("webhook_registered", "Telegram", float(url == wanted), note)
        age = max(0.0, now - info["last_error_date"]) if "last_error_date" in info else _NEVER_S
        said = str(info.get("last_error_message", "none that Telegram knows of"))
        yield Sample("webhook_error_age_seconds", "Telegram", age, said)

    def _certificate(self, now: float) -> Iterator[Sample]:
        host = self._settings.certificate
        days, note = web.days_left(host, self._settings.timeout_s, now)
        yield Sample("certificate_days", host, days, note)

    def _signals(self, now: float) -> Iterator[Sample]:
        text = self._text(self._settings.signals_url)
        name = self._settings.signals_metric
        values = [float(w[1]) for w in map(str.split, text.splitlines()) if w[:1] == [name]]
        if not values:
            raise web.Unanswered(f"there is no {name} among the metrics")
        yield Sample("signal_age_seconds", "signals", max(0.0, now - values[0]))

    def _told_venues(self) -> Iterator[Sample]:
        document = self._ask(self._settings.venues_url).json()
        for part in self._settings.venues_path:
            document = document[part]
        for name, sign in document.items():
            well = sign in ("ok", True)
            yield Sample("venue_reachable", name, float(well), "" if well else str(sign))

    def _text(self, url: str) -> str:
        answer = self._ask(url)
        if answer.status != 200:
            raise web.Unanswered(f"HTTP {answer.status}")
        return answer.body.decode(errors="replace")

    def _ask(self, url: str) -> web.Response:
        return web.ask(self._addressed(url), self._settings.timeout_s)

    def _addressed(self, url: str) -> str:
        """Return it with the address of a service's container for its name in braces."""
        for name, address in self._addresses.items():
            url = url.replace(f"{{{name}}}", address or "127.0.0.1")
        if unknown := _SERVICE.search(url):
            raise _Unaddressed(f"where {unknown[1]} is could not be asked")
        return url


def _missing(expected: Any, text: str) -> str:
    absent = [part for part in expected if part not in text]
    return f"the answer lacks {', '.join(absent)}: {text[:200]}" if absent else ""


def _reply(update: Any, chat: int, asked: int) -> str | None:
    """Return the text of a bot's message in this chat since the question; None for
    anything else."""
    message = update.get("message") or update.get("edited_message") or {}
    by_bot = message.get("from", {}).get("is_bot")
    if not by_bot or message.get("chat", {}).get("id") != chat:
        return None
    if message.get("message_id", 0) <= asked:
        return None
    return str(message.get("text") or message.get("caption") or "")
