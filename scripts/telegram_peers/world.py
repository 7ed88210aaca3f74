"""The chats that the suites expect of their bots: a person, a group, a forum, channels."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from stand_in_files import jpeg

PERSON = 675666224
GROUP, FORUM = -1001310911135, -1001838004577
CHANNEL, PAID_CHANNEL = -1001000000001, -1002229649303
CHANNEL_NAME = "pythontelegrambottests"
OTHERS = (1325859552, 95205500)
# One bot for each worker, so that none sees what another one does.
TOKENS = tuple(f"57969471{n}:AAFgj_made-up-for-the-double-only-{n:03}" for n in range(4))

_EVERYWHERE = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
)
_IN_GROUPS = ("can_promote_members", "can_pin_messages", "can_manage_topics", "can_manage_tags")
_IN_CHANNELS = ("can_post_messages", "can_edit_messages", "can_manage_direct_messages")


class World:
    """Furnishes a double."""

    def __init__(self, url: str, ca: Path) -> None:
        self._url = url
        self._trusting = ssl.create_default_context(cafile=str(ca))

    @staticmethod
    def variables(token: str) -> dict[str, str]:
        """How suites are told who they are, by the names that they read."""
        return {
            "TOKEN": token,
            "CHAT_ID": str(PERSON),
            "GROUP_ID": str(GROUP),
            "FORUM_ID": str(FORUM),
        }

    @staticmethod
    def bot_info(token: str) -> dict[str, object]:
        """What python-telegram-bot's tests know of their bot."""
        number = token.partition(":")[0]
        return {
            "token": token,
            "payment_provider_token": "1:TEST:made-up",
            "chat_id": str(PERSON),
            "super_group_id": str(GROUP),
            "forum_group_id": str(FORUM),
            "channel_id": f"@{CHANNEL_NAME}",
            "subscription_channel_id": PAID_CHANNEL,
            "name": f"Bot {number}",
            "username": f"@double_{number}_bot",
        }

    def furnish(self) -> None:
        """Put everybody there, for every token."""
        for token in TOKENS:
            self._furnish(token)

    def _furnish(self, token: str) -> None:
        bot = f"/_double/bots/{token}"
        person = {"first_name": "PTB", "last_name": "Test user", "username": "ptb_test"}
        self._post(f"{bot}/updates", {"text": "hello", "chat_id": PERSON, **person})
        self._post(f"/bot{token}/getUpdates", {"offset": -1})
        owner = {"id": PERSON, "is_bot": False, **person}
        members: list[Mapping[str, object]] = [{"user": owner, "status": "creator"}]
        for number in OTHERS:
            user = {"id": number, "is_bot": False, "first_name": f"User {number}"}
            members.append({"user": user, "status": "member"})
        other = {"id": 11, "is_bot": True, "first_name": "Another bot"}
        members.append({"user": other, "status": "administrator"})
        title = f">>> telegram.Bot(test) @double_{token.partition(':')[0]}_bot"
        in_group = rights(*_EVERYWHERE, *_IN_GROUPS)
        in_channel = rights(*_EVERYWHERE, *_IN_CHANNELS)
        group = {"id": GROUP, "type": "supergroup", "title": title}
        forum = {"id": FORUM, "type": "supergroup", "title": "Forum", "is_forum": True}
        channel = {"id": CHANNEL, "type": "channel", "title": "Tests", "username": CHANNEL_NAME}
        paid = {"id": PAID_CHANNEL, "type": "channel", "title": "Paid"}
        for chat, own in (
            (group, in_group),
            (forum, in_group),
            (channel, in_channel),
            (paid, in_channel),
        ):
            self._post(f"{bot}/chats", {**chat, "members": members, "bot": own})
        self._post(f"{bot}/world", self._given())

    @staticmethod
    def _given() -> dict[str, object]:
        picture = base64.b64encode(jpeg(640, 640, 20_000)).decode()
        posts = [{"user_id": PERSON, "chat": {"id": CHANNEL}, "text": t} for t in ("one", "two")]
        return {
            "profile_photos": [
                {"user_id": PERSON, "data": picture},
                {"chat_id": GROUP, "data": picture},
            ],
            "personal_posts": posts,
        }

    def _post(self, path: str, body: Mapping[str, object]) -> None:
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers)  # noqa: S310 - the double
        with urllib.request.urlopen(request, context=self._trusting) as response:  # noqa: S310
            response.read()


def rights(*names: str) -> dict[str, object]:
    """An administrator with these rights."""
    return {"status": "administrator", **dict.fromkeys(names, True)}
