"""Run the bot, and say of each update in which calls of the bot's modules it was answered.

A program of `test_walk.py`. Each line that it writes beside the bot's own holds the calls from the
webhook's socket until an update is done: the calling file and line, the called file and function.
A caller that is not the bot's own is an empty name. Beside them stands where JSON is parsed and
dumped, with the name of the function that does it. Only the main thread is looked at; the inbox has
another one for its disk.
"""

import json
import runpy
import sys
from pathlib import Path
from types import FrameType

import reference_bot

OURS = f"{Path(reference_bot.__file__).parent}/"
FIRST, LAST = "WebhookDoor.endpoint", "Dispatcher._ended"
JSON = {"encode", "decode", "json_encode", "json_decode"}
calls: list[tuple[str, int, str, str]] = []
jsons: list[tuple[str, int, str]] = []
known: dict[int, FrameType] = {}


def note(frame: FrameType, event: str, called: object) -> None:
    """Note a call of one module by another; a coroutine that goes on is none."""
    if event == "c_call":
        note_json(frame, called)
    file, name, caller = frame.f_code.co_filename, frame.f_code.co_qualname, frame.f_back
    if event != "call" or not file.startswith(OURS) or known.get(id(frame)) is frame:
        return
    known[id(frame)] = frame  # kept, so that no other frame gets its number
    by = caller.f_code.co_filename if caller is not None else ""
    line = caller.f_lineno if caller is not None else 0
    if name == FIRST:
        calls.clear()
        jsons.clear()
    if by != file:
        source = by.removeprefix(OURS) if by.startswith(OURS) else ""
        calls.append((source, line, file.removeprefix(OURS), name))
    if name == LAST:
        walked = {"event": "walked", "calls": calls, "jsons": jsons}
        print(json.dumps(walked), file=sys.stderr, flush=True)


def note_json(frame: FrameType, called: object) -> None:
    """Note where the bot has JSON parsed or dumped: msgspec's work, which is no Python."""
    file, name = frame.f_code.co_filename, getattr(called, "__name__", "")
    by = type(getattr(called, "__self__", None)).__module__
    if name in JSON and file.startswith(OURS) and (by.startswith("msgspec") or "json" in name):
        jsons.append((file.removeprefix(OURS), frame.f_lineno, name.removeprefix("json_")))


sys.setprofile(note)
sys.argv = ["bot"]
runpy.run_module("reference_bot.telegram_bot", run_name="__main__", alter_sys=True)
