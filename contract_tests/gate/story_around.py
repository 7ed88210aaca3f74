"""What is around the conversation of a story: taps, a webhook's pages, what is held, bad days."""

from typing import Any

import msgspec

from botproof import history


def around(story: Any) -> None:
    """Add all of it, as a good bot leaves it in the record."""
    labels = story.labels("webhook")
    taps(story)
    story.add(history.Phase(t=story.clock, name="conversation", edge="begin", **labels))
    story.add(history.Phase(t=story.clock + 40, name="conversation", edge="end", **labels))
    held: dict[str, Any] = {"files": 8, "sockets": 20, "threads": 4, "zombies": 0, "logged": 0}
    for number in range(200):
        at = story.clock + number / 5
        story.add(
            history.UpdateDelivered(
                t=at, update_id=5_000 + number, attempt=1, door="webhook", **labels
            )
        )
        story.add(history.Holdings(t=at, process="bot", role="bot", **held, **labels))
    first = next(
        e for e in story.events if isinstance(e, history.UpdateInjected) and e.stack == "webhook"
    )
    story.add(
        history.UpdateDelivered(t=first.t, update_id=first.update_id, door="webhook", **labels)
    )
    asked: dict[str, Any] = {"sent": "<asked>", "answers": ("Welcome",), "status": 200}
    for what in ("repeated", "long", "hung"):
        story.add(history.DoorAsked(t=story.clock, what=what, **asked, **labels))
    pages = ("what the webhook answers to a wrong secret",)
    story.add(history.PortsSeen(t=story.clock, searched=pages, **labels))
    clean = ("Price: $91,210.46",)
    for stage, fields in (("held", {"calls": 1}), ("venue", {"usual_calls": 9, "answers": clean})):
        said: dict[str, Any] = {"text": "/price BTC", "clean": clean, "reply_s": 1.0, **fields}
        story.add(
            history.Degraded(t=story.clock, stage=stage, fault="okx is gone", **said, **labels)
        )


def taps(story: Any) -> None:
    """A tap that is answered and acknowledged, and a second one that changes nothing."""
    for number, (case, expect) in enumerate((("tap", "reply"), ("tap-again", "silence"))):
        for mode in story.modes:
            story.clock += 10
            query, chat = f"90{number}", 7_000 + number
            message = {"message_id": 5, "chat": {"id": chat, "type": "private"}, "text": "BTC"}
            tapped = {"id": query, "from": {"id": chat}, "message": message, "data": "more"}
            story.add(
                history.CasePlayed(
                    t=story.clock,
                    case=case,
                    update_id=8_000 + number,
                    chat_id=chat,
                    expect=expect,
                    golden=False,
                    sent={"callback_query": tapped},
                    **story.labels(mode),
                )
            )
            edit = {"chat_id": chat, "message_id": 5, "text": "BTC 2"}
            said = story.call(mode, "editMessageText", edit, story.clock + 0.2, {"message_id": 5})
            if expect == "silence":
                why = "Bad Request: message is not modified"
                refusal = {"status": 400, "error_code": 400, "description": why, "result": None}
                said = msgspec.structs.replace(said, **refusal)
            given = {"callback_query_id": query}
            story.add(said, story.call(mode, "answerCallbackQuery", given, story.clock + 0.1))
