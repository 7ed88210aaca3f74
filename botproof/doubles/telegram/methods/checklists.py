"""Checklists, which only business accounts send.

Source of the texts: `get_input_checklist` in Client.cpp of the open-source Bot API server,
ToDoList.cpp of td.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import Access, find_chat, formatted, post
from botproof.doubles.telegram.methods.edits import edit, target
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Json

MAX_TITLE, MAX_TASK, MAX_TASKS = 255, 200, 30


def _checklist(turn: Turn, asked: Json) -> Json:
    title, entities = _text(turn, asked, "title", "title_entities", MAX_TITLE)
    tasks = [_task(turn, task) for task in asked["tasks"]]
    if not tasks:
        raise bad_request("checklist must have at least 1 task")
    if len(tasks) > MAX_TASKS:
        raise bad_request("TODO_ITEMS_TOO_MUCH")
    if len({task["id"] for task in tasks}) != len(tasks):
        raise bad_request("TODO_ITEM_DUPLICATE")
    shown: Json = {"title": title, "tasks": tasks}
    if entities:
        shown["title_entities"] = entities
    for name in ("others_can_add_tasks", "others_can_mark_tasks_as_done"):
        if asked.get(name):
            shown[name] = True
    return shown


def _task(turn: Turn, asked: Json) -> Json:
    if asked["id"] <= 0:
        raise bad_request("invalid checklist task identifier specified")
    text, entities = _text(turn, asked, "text", "text_entities", MAX_TASK)
    return {"id": asked["id"], "text": text, **({"text_entities": entities} if entities else {})}


def _text(turn: Turn, asked: Json, key: str, marks: str, most: int) -> tuple[str, list[Json]]:
    text, entities = formatted(turn, asked[key], asked.get("parse_mode"), asked.get(marks))
    if not text:
        raise bad_request("text must be non-empty")
    if len(text) > most:
        raise bad_request("TODO_ITEM_TOO_LONG" if key == "text" else "TODO_TITLE_TOO_LONG")
    return text, entities


def send(turn: Turn, params: Params) -> object:
    """Send a checklist."""
    checklist = _checklist(turn, params["checklist"])
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    return post(turn, chat, params, {"checklist": checklist})


def edit_checklist(turn: Turn, params: Params) -> object:
    """Put other tasks."""
    checklist = _checklist(turn, params["checklist"])
    _, message = target(turn, params)
    if "checklist" not in message:
        raise bad_request("there is no checklist in the message to edit")
    return edit(turn, params, ("checklist",), {"checklist": checklist})


METHODS: Mapping[str, Method] = {"sendchecklist": send, "editmessagechecklist": edit_checklist}
