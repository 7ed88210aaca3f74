"""What each chat held at every moment of a run, for the page that shows it.

One more view of the reconstruction in `botproof/chats.py`: each message with the times at which it
came, was changed and went, drawn as Telegram shows it. A state of a message is the number of the
event that made it, where that event's own answer says the same; else the message itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botproof.calls import plain, shown_text
from botproof.chats import Chats, Message, ReplyRules
from botproof.history import BotApiCall, CasePlayed, Event, History, UpdateInjected

Json = dict[str, Any]

_SPOKEN = ("message", "channel_post", "business_message")
_EDITED = ("edited_message", "edited_channel_post", "edited_business_message")
_CHANGING = ("edit", "delete")


@dataclass(slots=True)
class Talk:
    """One chat of one stack. `items` are its messages and notes in order of coming."""

    stack: str
    chat: int
    name: str = ""
    items: list[Json] = field(default_factory=list)


def talks_of(history: History, rules: ReplyRules) -> list[Talk]:
    """Return every chat of a run in which something was said. Events are named by their
    place in it."""
    run = history.run
    # Of deliveries many updates of one chat are under way at a time: see `botproof.chats`.
    markers = run is not None and run.command == "delivery"
    played = {
        (event.stack, event.update_id)
        for event in history.of(CasePlayed)
        if event.sent and event.update_id
    }
    # A case that does not hold what was sent is shown by its update.
    unsaid = {
        (event.stack, event.update_id): event.case
        for event in history.of(CasePlayed)
        if not event.sent and event.update_id
    }
    known = {(event.stack, event.update_id) for event in history.of(UpdateInjected) if event.update}
    named = {key: case for key, case in unsaid.items() if key in known}
    stages = {stack: _Stage(stack, Chats(rules, markers=markers)) for stack in history.stacks}
    for number, event in enumerate(history):
        stage = stages.get(event.stack)
        if stage is not None:
            stage.feed(number, event, played, named)
    return [talk for stage in stages.values() for talk in stage.talks.values()]


class _Stage:
    """The chats of one stack, and what has become of each message so far."""

    def __init__(self, stack: str, chats: Chats) -> None:
        self.stack = stack
        self.chats = chats
        self.talks: dict[int, Talk] = {}
        self._items: dict[int, Json] = {}  # by the identity of the message, which `chats` keeps

    def feed(
        self,
        number: int,
        event: Event,
        played: set[tuple[str, int]],
        named: Mapping[tuple[str, int], str],
    ) -> None:
        """Take in one event. `played` are the updates that their cases show, `named` the cases that
        their updates show."""
        known = len(self.chats.acts)
        self.chats.feed(event)
        if isinstance(event, CasePlayed):
            if (self.stack, event.update_id) not in named:
                self._asked(number, event, event.case)
        elif isinstance(event, UpdateInjected):
            key = (self.stack, event.update_id)
            if key not in played:
                self._asked(number, event, named.get(key, ""))
        elif isinstance(event, BotApiCall):
            for act in self.chats.acts[known:]:
                self._came(number, event, act)
            if event.method.startswith(_CHANGING):
                self._changed(number, event)

    def _asked(self, number: int, event: CasePlayed | UpdateInjected, case: str) -> None:
        t = event.t
        if isinstance(event, CasePlayed):
            sent, chat, title = event.sent, event.chat_id, event.title
        else:
            sent, chat, title = event.update, 0, ""
        for kind, body in sent.items():
            if not isinstance(body, Mapping):
                continue
            where = body.get("chat") or (body.get("message") or {}).get("chat") or {}
            talk = self._talk(chat or where.get("id") or 0, where)
            item = {"t": t, "by": "user", "case": case}
            if kind in _SPOKEN:
                talk.items.append({**item, "v": [[t, number, kind]]})
            else:
                talk.items.append({**item, "by": "note", "text": _note(kind, body)})
            return
        if title:
            said = {"text": title, "date": 0, "from": {"id": chat}}
            talk = self._talk(chat, {})
            talk.items.append({"t": t, "by": "user", "case": case, "v": [[t, said]]})

    def _came(self, number: int, call: BotApiCall, act: Message) -> None:
        chat = act.chat_id
        if not act.is_message:
            if act.text and act.query_id:
                text = f"a notice for the one who tapped: {act.text}"
                owner = act.turn.case.chat_id if act.turn else 0
                note = {"t": call.t, "by": "note", "case": "", "text": text}
                self._talk(owner, {}).items.append(note)
            return
        case = act.turn.case.case if act.turn else ""
        item: Json = {"t": call.t, "by": "bot", "case": case, "v": [_state(number, call, act)]}
        self._items[id(act)] = item
        self._talk(chat, (act.result or {}) if isinstance(act.result, Mapping) else {})
        self.talks[chat].items.append(item)

    def _changed(self, number: int, call: BotApiCall) -> None:
        chat = call.params.get("chat_id")
        try:
            messages = self.chats.chats[int(str(chat))].messages
        except (KeyError, ValueError):
            return
        for message in messages:
            item = self._items[id(message)]
            if message.deleted_at is not None:
                item.setdefault("gone", message.deleted_at)
            if message.edits >= len(item["v"]):
                item["v"].append(_state(number, call, message))
                item["case"] = message.turn.case.case if message.turn else ""

    def _talk(self, chat: int, about: Mapping[str, Any]) -> Talk:
        talk = self.talks.setdefault(chat, Talk(self.stack, chat))
        about = about.get("chat", about)
        if not talk.name and isinstance(about, Mapping):
            parts = (about.get("title"), about.get("first_name"), about.get("last_name"))
            talk.name = " ".join(str(part) for part in parts if part)
        return talk


def _note(kind: str, body: Mapping[str, Any]) -> str:
    """Return what a user did besides writing, in words."""
    if kind == "callback_query":
        return f"tapped the button “{_label(body)}”"
    if kind in _EDITED:
        return f"edited a message: {body.get('text') or body.get('caption') or ''}"
    if kind == "inline_query":
        return f"asked inline: {body.get('query') or ''}"
    return f"({kind})"


def _label(query: Mapping[str, Any]) -> str:
    """Return the text of the button that was tapped; what it sends where the text is not known."""
    data = query.get("data") or query.get("game_short_name") or ""
    markup = (query.get("message") or {}).get("reply_markup") or {}
    for row in markup.get("inline_keyboard") or ():
        for button in row:
            if isinstance(button, Mapping) and button.get("callback_data") == data:
                return str(button.get("text", data))
    return str(data)


def _state(number: int, call: BotApiCall, message: Message) -> list[Any]:
    """Return when a message came to look like this, and like what."""
    shown = drawn(message)
    result = call.result
    same = isinstance(result, Mapping) and all(
        result.get(key) == shown.get(key) for key in ("text", "caption", "reply_markup")
    )
    return [call.t, number, "result"] if same else [call.t, shown]


def drawn(message: Message) -> Json:
    """Return a message as Telegram shows it: from the call with its edits, and from the
    answer what only Telegram knows."""
    shown: Json = dict(message.result) if isinstance(message.result, Mapping) else {}
    shown.setdefault("date", 0)
    params = message.params
    for key, entities in (("text", "entities"), ("caption", "caption_entities")):
        if key not in params:
            continue
        read = shown_text(params, key)
        shown[key], shown[entities] = read.text, list(read.entities)
    markup = plain(params.get("reply_markup"))
    shown.pop("reply_markup", None)
    if isinstance(markup, Mapping):
        shown["reply_markup"] = markup
    return shown
