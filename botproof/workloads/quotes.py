"""Whether what a user writes becomes a part of a statement: of SQL, of a shell, of Python.

Each command is said with one quote of each kind behind its first word, which is harmless where it
is data. Where it is put into the text of a statement, that statement has an end too few, and
whoever was to carry it out says so, in the log or to the user. Nothing else follows from silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from botproof import history
from botproof.calls import chat_of, is_sending
from botproof.config import BOT, Config
from botproof.history import BotApiCall, DoorAsked, Event, LogTrouble
from botproof.targets.granted import Granted
from botproof.targets.stack import Stack
from botproof.workloads.updates import message_update
from botproof.workloads.vocabulary import AT_ONCE, vocabulary_of

QUOTED = "quoted"
QUOTERS = tuple(range(1_500_000_301, 1_500_000_301 + AT_ONCE))
"""Those who write quotes: they are among `{users}`."""
_QUOTES = "'\""
_ANSWER_S = 2.5
_LOG_S = 1.0  # a log is read after it was written
_BROKEN = re.compile(
    r"unrecognized token: |near \"[^\"]{0,40}\": syntax error|You have an error in your SQL syntax|"
    r"unterminated quoted (?:string|identifier)|syntax error at or near|Unclosed quotation mark|"
    r"quoted string not properly terminated|Syntax error: Unterminated quoted string|"
    r"unexpected EOF while looking for matching|unterminated string literal"
)
"""What SQLite, MySQL, PostgreSQL, SQL Server, Oracle, dash, bash and Python say."""


def broken_statement(lines: Iterable[str]) -> str:
    """Return the line by which somebody says that a quote has no end; "" where there is none."""
    return next((line.strip() for line in lines if _BROKEN.search(line)), "")


def quoted_texts(config: Config) -> list[str]:
    """Return each command once, with quotes in its first argument."""
    texts: list[str] = []
    for command, arguments in vocabulary_of(config).commands.items():
        words = (next(filter(None, arguments), "") or "BTC").split()
        texts.append(" ".join([command, words[0] + _QUOTES, *words[1:]]))
    return texts[:AT_ONCE]


class _Ears:
    """What came of the questions: who was answered, and a broken statement."""

    def __init__(self) -> None:
        self.answered: set[int] = set()
        self.broken = ""

    def take(self, event: Event) -> None:
        if isinstance(event, LogTrouble):
            self.broken = self.broken or broken_statement(event.lines)
        elif isinstance(event, BotApiCall) and is_sending(event.method):
            self.answered.add(chat_of(event) or 0)
            said = str(event.params.get("text") or "").splitlines()
            self.broken = self.broken or broken_statement(said)


async def ask_with_quotes(stack: Stack) -> DoorAsked | None:
    """Say each command with quotes, all at once, and one after the other where a statement broke,
    so that it is known by which. None where the bot has no command."""
    config = stack.around.config
    texts = quoted_texts(config)
    if not texts:
        return None
    alone = [{text: user} for text, user in zip(texts, QUOTERS, strict=False)]
    together = [dict(zip(texts, QUOTERS, strict=False))]
    sent, error = await _first_broken(stack, alone if config.workload.at_once == 1 else together)
    if error and len(sent) > 1:
        by_one, again = await _first_broken(stack, alone)
        sent = by_one or sent
        error = again or error
    words = " and ".join(sent) or f"each command with quotes, such as {texts[0]}"
    labels: dict[str, Any] = stack.labels
    return DoorAsked(t=history.now(), what=QUOTED, sent=words, error=error, **labels)


async def _first_broken(
    stack: Stack, batches: Sequence[Mapping[str, int]]
) -> tuple[tuple[str, ...], str]:
    for batch in batches:
        if error := await _ask(stack, batch):
            return tuple(batch), error
    return (), ""


async def _ask(stack: Stack, batch: Mapping[str, int]) -> str:
    ears = _Ears()

    def about(event: Event) -> bool:
        if event.stack != stack.name:
            return False
        of_bot = isinstance(event, LogTrouble) and event.role == BOT
        return of_bot or (isinstance(event, BotApiCall) and chat_of(event) in batch.values())

    with stack.around.recorder.subscribe(about) as said:

        async def take_next() -> None:
            ears.take(await said.get())

        for text, user in batch.items():
            await stack.inject(message_update(user, text))
        everybody = set(batch.values())
        limit = Granted(stack.watch, _ANSWER_S)
        await limit.wait(lambda: bool(ears.broken) or ears.answered >= everybody, take_next)
        await Granted(stack.watch, _LOG_S).wait(lambda: bool(ears.broken), take_next)
    return ears.broken
