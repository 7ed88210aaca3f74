"""Why a defect that stayed unseen could not have shown in this bot: what it lacks for that.

Told of a defect that was played and not seen, by the record of the build without it. A defect that
is seen applies, whatever stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from botproof.config import Config
from botproof.config.placeholders import names_users
from botproof.history import ALTERED, CasePlayed, DoubleEvent, History

Ground = Literal["", "users", "edits"]
"""What a bot has to have for a defect to show: answers that depend on who asks, edited messages
that it passes over."""
_EDITED = "edited_message"


def why_not(ground: Ground, config: Config, without: History) -> str:
    """Return why a defect that needs this does not apply; "" where it does."""
    return _REASONS[ground](config, without) if ground else ""


def why_unaltered(record: History) -> str:
    """Return that no wire has altered anything in the run of this record; "" where one has."""
    if any(event.kind == ALTERED for event in record.of(DoubleEvent)):
        return ""
    return (
        "nothing that passed between the bot and Telegram was altered: no answer held what this "
        "alters, or there were too few"
    )


def _users(config: Config, _: History) -> str:
    if names_users(config) or any(case.stranger for case in config.workload.cases):
        return ""
    return "nothing asks who somebody is: no {users} in botproof.toml, and no case is a stranger's"


def _edits(_: Config, without: History) -> str:
    cases = [case for case in without.of(CasePlayed) if _EDITED in case.sent]
    if not any(case.expect == "silence" for case in cases):
        return "no case edits a message that is to stay unanswered"
    if not any(case.update_id for case in cases):
        return (
            "the bot does not ask Telegram for edited messages (allowed_updates): none reaches it"
        )
    return ""


_REASONS: Mapping[str, Callable[[Config, History], str]] = {"users": _users, "edits": _edits}
