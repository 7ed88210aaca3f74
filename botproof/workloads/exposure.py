"""What the target shows to whoever looks: secrets in what it writes and says, ports that listen.

Looked at while the target runs, after everything else has been asked of it. A secret is a value
that this run gave to the target under a name that says so; where one is found, its name is
recorded, and the line without it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from botproof import history
from botproof.calls import chat_of, is_sending, text_of
from botproof.chat_ids import chat_kind
from botproof.config import BOT, Process, substitute
from botproof.credentials import KEY_HEADERS, fingerprint, is_credential
from botproof.history import BotApiCall, KeySent, PortsSeen, SecretSeen, VenueCall
from botproof.targets.family import PROC, family
from botproof.targets.process import ManagedProcess
from botproof.targets.stack import Stack
from botproof.webhook_abuse import WRONG_SECRET
from botproof.workloads.updates import SECRET_HEADER

_SECRET_NAME = re.compile(r"TOKEN|SECRET|KEY|PASS|PWD|CREDENTIAL|DSN", re.IGNORECASE)
_HOST_NAME = re.compile(r"HOST|BIND|ADDR|LISTEN", re.IGNORECASE)
_LOCAL = ("127.0.0.1", "localhost", "::1")
_LEAST_LETTERS = 8
_MOST_BYTES = 50_000_000
_ANSWER_S = 3.0
_LISTEN = "0A"
_PATHS = (
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/metrics"),
    ("GET", "/"),
    ("GET", "/no-such-page-of-botproof"),
    ("POST", "/no-such-page-of-botproof"),
    ("GET", "/debug"),
    ("GET", "/config"),
    ("GET", "/env"),
    ("GET", "/status"),
    ("GET", "/info"),
    ("GET", "/debug/vars"),
    ("GET", "/actuator/env"),
    ("GET", "/.env"),
    ("GET", "/openapi.json"),
)
_WHEN_ILL = _PATHS[:4]
"""The pages that tell of what goes wrong, and so may tell too much of it."""
_FAILED = 500
"""An error of the process itself: 501 is of a method, 502 and 504 of another server, 503 of now."""
_HIDDEN = "•••"
_NUMBER = re.compile(r"(?<![\d.])\d{3,}(?![\d.])")
_FEW = 3
"""So many ids stand on a page by chance, or as an example."""


async def look(stack: Stack) -> None:
    """Record where secrets of this run stand in the open, and where the target listens."""
    targets = stack.targets()
    secrets = secrets_of(stack)
    failing: list[str] = []
    places = {name: text async for name, text in _places(stack, targets, failing)}
    pages = {place: text for place, text in places.items() if place.startswith("GET ")}
    found = list(_found(secrets, places))
    for secret, place, line in found:
        stack.around.recorder.record(
            SecretSeen(t=history.now(), secret=secret, place=place, line=line, **stack.labels)
        )
    listening = sorted({each for target in targets for each in _listening(target)})
    declared = _declared(stack)
    closed = {
        name
        for name, process in _processes(stack).items()
        if any(_HOST_NAME.search(key) and value in _LOCAL for key, value in process.env.items())
    }
    beyond = [
        f"{address}:{port} ({name})"
        for address, port, name in listening
        if address not in _LOCAL and (port not in declared or name in closed)
    ]
    stack.around.recorder.record(
        PortsSeen(
            t=history.now(),
            listening=tuple(f"{address}:{port} ({name})" for address, port, name in listening),
            beyond=tuple(beyond),
            searched=tuple(places),
            secrets=tuple(secrets),
            failing=tuple(failing),
            naming=tuple(naming(pages, _writers(stack))),
            **stack.labels,
        )
    )
    for sent in keys_sent(stack):
        stack.around.recorder.record(sent)


def _writers(stack: Stack) -> set[int]:
    """Return who has written in a private chat, and was answered."""
    calls = stack.around.recorder.history().of(BotApiCall, stack=stack.name)
    return {chat for chat in map(chat_of, calls) if chat and chat_kind(chat) == "private"}


def naming(pages: Mapping[str, str], writers: Iterable[int]) -> Iterator[str]:
    """Yield the pages in which most of these people stand by their ids, with how many."""
    people = {str(each) for each in writers}
    for page, text in pages.items():
        found = people & set(_NUMBER.findall(text))
        if len(found) >= max(_FEW, len(people) / 2):
            yield f"{page} names {len(found)} users by their ids"


def secrets_shown(stack: Stack, when: str) -> list[SecretSeen]:
    """Return secrets in what the target of a trial has logged and replied so far, as seen in its
    mode: what is logged of strangers, or when a call fails, is seen only where there are such.
    `when` says in a few words what the trial was about."""
    calls = stack.around.recorder.history().of(BotApiCall, stack=stack.name)
    places = {f"replies {when}": "\n".join(_replies(calls))}
    for target in stack.targets():
        places[f"the log of {target.launch.name} {when}"] = _read(target.launch.log)
    return _seen(stack, places)


async def secrets_on_pages(stack: Stack, when: str) -> list[SecretSeen]:
    """Return secrets on the pages of a trial's target that tell how it is, as seen in its mode:
    what is shown of a failure is seen only while something fails."""
    async with httpx.AsyncClient(trust_env=False, timeout=_ANSWER_S) as client:
        pages = {f"{page} {when}": text async for page, text, _ in _pages(client, stack, _WHEN_ILL)}
    return _seen(stack, pages)


def _seen(stack: Stack, places: Mapping[str, str]) -> list[SecretSeen]:
    labels = {"stack": stack.mode, "mode": stack.mode}
    return [
        SecretSeen(t=history.now(), secret=secret, place=place, line=line, **labels)
        for secret, place, line in _found(secrets_of(stack), places)
    ]


def secrets_of(stack: Stack) -> dict[str, str]:
    """Return the secrets of this run by name: the token, the webhook's secret, and what
    botproof.toml gives under a name like a secret's."""
    token = stack.values["token"]
    found = {"bot token": token, "bot token without its id": token.partition(":")[2]}
    for name, process in _processes(stack).items():
        for key, value in process.env.items():
            text = substitute(str(value), stack.values)
            password = urlsplit(text).password if "://" in text else None
            if password:
                found[f"{key} of {name}"] = password
            elif _SECRET_NAME.search(key) and token not in text and "://" not in text:
                found[f"{key} of {name}"] = text
    secret = stack.around.config.modes[stack.mode].secret
    if secret:
        found["secret of the webhook"] = secret
    return {name: text for name, text in found.items() if len(text) >= _LEAST_LETTERS}


def keys_sent(stack: Stack) -> list[KeySent]:
    """Return which keys and other credentials have reached which exchange so far, each once, as
    seen in this stack's mode."""
    settings: dict[str, list[str]] = {}
    for process, described in _processes(stack).items():
        for key, value in described.env.items():
            if is_credential(key):
                shown = fingerprint(substitute(str(value), stack.values))
                settings.setdefault(shown, []).append(f"{key} of {process}")
    calls = stack.around.recorder.history().of(VenueCall, stack=stack.name)
    came = Counter(
        (call.venue, name, shown) for call in calls for name, shown in call.carried.items()
    )
    return [
        KeySent(
            t=history.now(),
            venue=venue,
            name=name,
            settings=tuple(settings.get(shown, ())),
            calls=count,
            stack=stack.mode,
            mode=stack.mode,
        )
        for (venue, name, shown), count in came.items()
        if shown in settings or name in KEY_HEADERS
    ]


def _processes(stack: Stack) -> Mapping[str, Process]:
    config = stack.around.config
    return {BOT: config.bot_in(stack.mode), **config.services}


async def _places(
    stack: Stack, targets: list[ManagedProcess], failing: list[str]
) -> AsyncIterator[tuple[str, str]]:
    """Yield every place that is looked through, with what stands there; pages that fail
    go to a list."""
    for target in targets:
        name = target.launch.name
        yield f"the log of {name}", _read(target.launch.log)
        yield f"the command line of {name}", "\n".join(_command_lines(target))
    calls = stack.around.recorder.history().of(BotApiCall, stack=stack.name)
    yield "replies", "\n".join(_replies(calls))
    async with httpx.AsyncClient(trust_env=False, timeout=_ANSWER_S) as client:
        async for page, text, status in _pages(client, stack, _PATHS):
            if status == _FAILED:
                failing.append(page)
            yield page, text
        async for refusal in error_pages_of_the_webhook(client, calls):
            yield refusal


async def _pages(
    client: httpx.AsyncClient, stack: Stack, paths: Sequence[tuple[str, str]]
) -> AsyncIterator[tuple[str, str, int]]:
    """Yield what each process answers at these paths, headers before, and with which status; one
    that fails is asked twice."""
    for name in _processes(stack):
        url = stack.values.get(f"url:{name}", "")
        for method, path in paths:
            try:
                answer = await client.request(method, f"{url}{path}")
                if answer.status_code == _FAILED:
                    answer = await client.request(method, f"{url}{path}")
            except (httpx.HTTPError, httpx.InvalidURL):
                break  # it does not listen there: nobody else gets an answer either
            headers = "\n".join(f"{key}: {value}" for key, value in answer.headers.items())
            yield f"{method} {path} of {name}", f"{headers}\n{answer.text}", answer.status_code


async def error_pages_of_the_webhook(
    client: httpx.AsyncClient, calls: Sequence[BotApiCall]
) -> AsyncIterator[tuple[str, str]]:
    """Yield what the webhook that was set last says when it refuses: an error page may
    tell too much."""
    hooks = [call.params for call in calls if call.method == "setWebhook" and not call.error_code]
    url = str(hooks[-1].get("url") or "") if hooks else ""
    if not url:
        return
    secret = str(hooks[-1].get("secret_token") or "")
    asked: dict[str, str | None] = {"without a secret": None}
    if secret:
        asked |= {"to a wrong secret": WRONG_SECRET, "to what is no update": secret}
    for how, given in asked.items():
        headers = {} if given is None else {SECRET_HEADER: given}
        with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL):
            answer = await client.post(url, content=b"{", headers=headers)
            said = "\n".join(f"{key}: {value}" for key, value in answer.headers.items())
            yield f"what the webhook answers {how}", f"{said}\n{answer.text}"


def _replies(calls: list[BotApiCall]) -> Iterator[str]:
    for call in calls:
        if is_sending(call.method) or call.method.startswith(("edit", "answer", "setMy")):
            yield f"{text_of(call.params)} {call.params}"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _command_lines(target: ManagedProcess) -> Iterator[str]:
    for pid in family(target.pid) if target.running and target.pid else ():
        for name in ("cmdline", "comm"):
            try:
                yield (
                    (PROC / str(pid) / name)
                    .read_bytes()
                    .replace(b"\0", b" ")
                    .decode("utf-8", "replace")
                )
            except OSError:
                continue  # it has ended


def _found(secrets: Mapping[str, str], places: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for place, text in places.items():
        named: set[str] = set()
        for name, secret in secrets.items():
            if secret not in text or any(secret in secrets[each] for each in named):
                continue
            named.add(name)
            line = next((each for each in text.splitlines() if secret in each), "")
            for other in secrets.values():
                line = line.replace(other, _HIDDEN)
            at = max(0, line.find(_HIDDEN) - 60)
            yield name, place, line[at : at + 120].strip()


# ports


def _declared(stack: Stack) -> set[int]:
    ports = {int(value) for name, value in stack.values.items() if name.startswith("port:")}
    return ports | set(stack.around.config.security.ports)


def _listening(target: ManagedProcess) -> Iterator[tuple[str, int, str]]:
    """Yield address, port and process of each TCP socket at which the target listens."""
    if not target.running or not target.pid:
        return
    for pid in family(target.pid):
        inodes = set(_sockets(pid))
        for table in ("tcp", "tcp6"):
            try:
                rows = (PROC / str(pid) / "net" / table).read_text().splitlines()[1:]
            except OSError:
                continue
            for row in rows:
                cells = row.split()
                if cells[3] == _LISTEN and cells[9] in inodes:
                    address, _, port = cells[1].partition(":")
                    yield _address(address), int(port, 16), target.launch.name


def _sockets(pid: int) -> Iterator[str]:
    try:
        links = list((PROC / str(pid) / "fd").iterdir())
    except OSError:
        return
    for link in links:
        try:
            where = str(link.readlink())
        except OSError:
            continue
        if where.startswith("socket:["):
            yield where[8:-1]


def _address(raw: str) -> str:
    """Return the kernel's words of four bytes, each in the machine's order, as an address."""
    words = [raw[at : at + 8] for at in range(0, len(raw), 8)]
    packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    text = str(mapped or address)
    return "127.0.0.1" if text.startswith("127.") else text
