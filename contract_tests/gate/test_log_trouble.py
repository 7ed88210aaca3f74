"""What counts as trouble in a log, and that it is recorded while the process runs."""

import asyncio
import sys
from pathlib import Path

import pytest

from botproof.history import LogTrouble
from botproof.log_trouble import MOST_LINES, TroubleReader, headline, plain
from botproof.targets.launch import Launch
from botproof.targets.process import ManagedProcess
from botproof.targets.recorder import Recorder


def found(text: str) -> list[tuple[str, ...]]:
    reader = TroubleReader()
    return [*reader.feed(text.splitlines()), *reader.close()]


CHAINED = """\
INFO started
Traceback (most recent call last):
  File "bot.py", line 1, in f
    g()
ValueError: no

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "bot.py", line 3, in h
    raise
RuntimeError: Event loop is closed
INFO and on
"""


def test_a_chained_traceback_is_one_piece_named_by_its_end() -> None:
    (piece,) = found(CHAINED)
    assert piece[0].startswith("Traceback")
    assert piece[-1] == headline(piece) == "RuntimeError: Event loop is closed"


def test_a_traceback_after_another_is_a_piece_of_its_own() -> None:
    other = CHAINED.partition("\n")[2].replace(
        "RuntimeError: Event loop is closed", "KeyError: 'a'"
    )
    first, second = found(CHAINED.replace("INFO and on\n", "") + other)
    assert headline(first) == "RuntimeError: Event loop is closed"
    assert headline(second) == "KeyError: 'a'"


def test_a_traceback_belongs_to_the_line_that_was_logged_with_it() -> None:
    (piece,) = found("ERROR in handler\n" + CHAINED.partition("\n")[2])
    assert piece[0] == "ERROR in handler"


def test_an_update_that_caused_an_error_is_not_shown_whole() -> None:
    update = "{'message': {'text': '/price'}}"
    (piece,) = found(f'WARNING Update "{update}" caused error "list index out of range"')
    assert headline(piece) == 'WARNING Update "…" caused error "list index out of range"'


def test_a_task_that_failed_is_named_by_what_it_raised() -> None:
    """As asyncio writes it where nobody awaits the task."""
    future = "future: <Task finished name='Task-9' exception=TypeError('no')>"
    told = f"Task exception was never retrieved\n{future}\n{CHAINED.partition(chr(10))[2]}"
    (piece,) = found(told)
    assert headline(piece) == "RuntimeError: Event loop is closed"


@pytest.mark.parametrize(
    "line",
    [
        "bot.py:3: RuntimeWarning: coroutine 'f' was never awaited",
        "Task exception was never retrieved",
        'WARNING Update "{}" caused error "list index out of range"',
        "RuntimeError: Event loop is closed",
        "got Future attached to a different loop",
        "DeprecationWarning: There is no current event loop",
        "2026-01-01 12:00:00 ERROR cannot reach Redis",
        '{"level": "error", "message": "no"}',
        "panic: runtime error: index out of range",
        "Unclosed client session",
        "\x1b[31mERROR\x1b[0m red",
    ],
)
def test_single_lines_are_trouble(line: str) -> None:
    assert found(f"INFO a\n{line}\nINFO b") == [(plain(line),)]


@pytest.mark.parametrize(
    "line", ["INFO 0 errors", "INFO errors=0", "INFO no error", "INFO:uvicorn.error:Up"]
)
def test_lines_that_say_that_all_is_well_are_none(line: str) -> None:
    assert found(line) == []


def test_a_stack_of_node_is_one_piece() -> None:
    trace = "TypeError: x is undefined\n    at f (/app/bot.js:3:5)\n    at node:internal/x:1\nINFO"
    (piece,) = found(trace)
    assert len(piece) == 3
    assert headline(piece) == "TypeError: x is undefined"


def test_a_trace_without_end_is_shortened_in_its_middle() -> None:
    (piece,) = found("Traceback (most recent call last):\n" + "  deep\n" * 500 + "ValueError: x")
    assert len(piece) == MOST_LINES + 1
    assert piece[-1] == "ValueError: x"


def test_portions_make_no_difference() -> None:
    reader = TroubleReader()
    pieces = [piece for line in CHAINED.splitlines() for piece in reader.feed([line])]
    assert [*pieces, *reader.close()] == found(CHAINED)


def test_colours_and_control_characters_are_taken_out() -> None:
    assert plain("\x1b[1;31mred\x1b[0m \x1b]0;title\x07\tx\x00") == "red \tx"


async def _run(code: str, folder: Path, role: str) -> list[LogTrouble]:
    recorder = Recorder()
    launch = Launch(
        name="bot",
        role=role,
        command=(sys.executable, "-c", code),
        cwd=folder,
        log=folder / "bot.log",
    )
    process = await ManagedProcess.start(launch, recorder)
    await process.exited
    return recorder.history().of(LogTrouble)


def test_what_a_process_complains_of_is_in_the_history(tmp_path: Path) -> None:
    (event,) = asyncio.run(_run("raise ValueError('mine')", tmp_path, "bot"))
    assert (event.process, event.lines[-1]) == ("bot", "ValueError: mine")


def test_what_an_earlier_process_left_in_the_log_is_not_told_again(tmp_path: Path) -> None:
    (tmp_path / "bot.log").write_text("ERROR of yesterday\n")
    assert asyncio.run(_run("print('INFO fine')", tmp_path, "bot")) == []
