"""getUpdates, setWebhook, deleteWebhook, getWebhookInfo; logOut and close.

Source: `process_get_updates_query`, `process_set_webhook_query`, `do_set_webhook` and
`JsonWebhookInfo` in Client.cpp.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from botproof.doubles.telegram import doors
from botproof.doubles.telegram.context import Method, Note, Params, Turn
from botproof.doubles.telegram.replies import (
    Refusal,
    Reply,
    bad_request,
    ok,
    too_many_requests,
)
from botproof.doubles.telegram.updates import DEFAULT_ALLOWED, allowed_from
from botproof.doubles.telegram.webhook import Target
from botproof.doubles.telegram.webhook_address import check_address, place_of
from botproof.doubles.telegram.world import Poll

WEBHOOK_IS_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)
MAX_TIMEOUT = 50
MAX_CERTIFICATE = 3 << 20
REOPEN_AFTER = 600.0
_SECRET = re.compile(r"[A-Za-z0-9_-]*")


def get_updates(turn: Turn, params: Params) -> object:
    """Return the next updates; waits up to `timeout` seconds for them.

    As the real server does, a poll that repeats the offset of the last one is slowed down: within
    half a second it gets one update at most, within three it waits for up to three seconds.
    """
    bot, now = turn.bot, turn.now
    if bot.webhook is not None:
        return doors.conflict(turn.core, bot, WEBHOOK_IS_ACTIVE, now)
    offset = params.get("offset", 0)
    limit = _clamp(params.get("limit", 100), 1, 100)
    timeout = _clamp(params.get("timeout", 0), 0, MAX_TIMEOUT)
    _remember_allowed(turn, params)
    if offset == bot.last_offset:
        timeout = max(timeout, 3) if now < bot.last_poll_at + 3.0 else timeout
        limit = 1 if now < bot.last_poll_at + 0.5 else limit
    bot.last_offset, bot.last_poll_at = offset, now
    if offset < 0:
        _drop(turn, bot.queue.keep_last(-offset))
    offset = max(offset, 0)
    batch = doors.take_batch(turn.core, bot, offset, limit, now)
    if timeout and not batch:
        poll = Poll(turn.core.number(), offset, limit, now + timeout)
        return doors.start_poll(turn.core, bot, poll, now)
    return batch


def _clamp(value: int, least: int, most: int) -> int:
    return min(max(value, least), most)


def _remember_allowed(turn: Turn, params: Params) -> bool:
    asked = allowed_from(params.get("allowed_updates"))
    if asked is None or asked == turn.bot.allowed:
        return False
    turn.bot.allowed = asked
    return True


def _drop(turn: Turn, dropped: list[int]) -> None:
    if dropped:
        turn.core.effects.append(Note(turn.bot.token, "drop", {"update_ids": dropped}))


def set_webhook(turn: Turn, params: Params) -> object:
    """Deliver updates to a URL; an empty one means deleteWebhook."""
    bot, url = turn.bot, params.get("url", "")
    if not url:
        return delete_webhook(turn, params)
    if turn.core.settings.flood is not None:
        if turn.now < bot.next_set_webhook_at:
            raise too_many_requests(1)
        bot.next_set_webhook_at = turn.now + 1
    target = _target(params, url)
    current = bot.webhook.target if bot.webhook is not None else None
    drop = params.get("drop_pending_updates", False)
    if current == target and not target.has_certificate and not drop:
        _remember_allowed(turn, params)
        return ok(True, "Webhook is already set")
    doors.end_poll(turn.core, bot, doors.POLL_ENDED_BY_WEBHOOK, turn.now)
    doors.close_webhook(turn.core, bot, turn.now)
    if drop:
        _drop(turn, bot.queue.keep_last(0))
    _check_target(target, params, strict=turn.core.settings.strict_webhooks)
    _remember_allowed(turn, params)
    fields = {"url": url, "max_connections": target.max_connections, "secret": bool(target.secret)}
    turn.core.effects.append(Note(bot.token, "webhook_set", fields))
    doors.open_webhook(turn.core, bot, target, turn.now)
    return ok(True, "Webhook was set")


def _target(params: Params, url: str) -> Target:
    return Target(
        url=url,
        secret=params.get("secret_token", ""),
        max_connections=_clamp(params.get("max_connections", 40), 1, 100),
        ip_address=params.get("ip_address") or _literal_address(url),
        has_certificate=bool(params.get("certificate")),
    )


def _literal_address(url: str) -> str:
    try:
        return str(ipaddress.ip_address(place_of(url).host))
    except (ValueError, Refusal):
        return ""


def _check_target(target: Target, params: Params, *, strict: bool) -> None:
    place = place_of(target.url)
    if len(target.secret) > 256:
        raise bad_request("secret token is too long")
    if _SECRET.fullmatch(target.secret) is None:
        raise bad_request("secret token contains unallowed characters")
    certificate = params.get("certificate")
    if certificate and len(certificate.data) > MAX_CERTIFICATE:
        size = len(certificate.data)
        raise bad_request(f"certificate size is too big ({size} bytes)")
    check_address(place, params.get("ip_address", ""), strict=strict)


def delete_webhook(turn: Turn, params: Params) -> Reply:
    """Back to getUpdates."""
    bot = turn.bot
    was_set = bot.webhook is not None
    doors.close_webhook(turn.core, bot, turn.now)
    if params.get("drop_pending_updates", False):
        _drop(turn, bot.queue.keep_last(0))
    if was_set:
        turn.core.effects.append(Note(bot.token, "webhook_deleted", {"why": "asked to"}))
    said = "Webhook was deleted" if was_set else "Webhook is already deleted"
    return ok(True, said)


def get_webhook_info(turn: Turn, _params: Params) -> object:
    """Return how the webhook does."""
    bot, webhook = turn.bot, turn.bot.webhook
    bot.queue.expire(turn.now)
    target = webhook.target if webhook is not None else Target("")
    info: dict[str, object] = {
        "url": target.url,
        "has_custom_certificate": target.has_certificate,
        "pending_update_count": len(bot.queue),
    }
    if webhook is not None:
        if webhook.last_error:
            info["last_error_date"] = int(webhook.last_error_at)
            info["last_error_message"] = webhook.last_error
        info["max_connections"] = target.max_connections
        if target.ip_address:
            info["ip_address"] = target.ip_address
    if bot.allowed != DEFAULT_ALLOWED:
        info["allowed_updates"] = sorted(bot.allowed)
    return info


def log_out(turn: Turn, _params: Params) -> object:
    """Leave the cloud server: for ten minutes every call is refused with 400 `Logged out`."""
    doors.end_poll(turn.core, turn.bot, "Logged out", turn.now)
    doors.close_webhook(turn.core, turn.bot, turn.now)
    _drop(turn, turn.bot.queue.keep_last(0))
    turn.bot.logged_out_until = turn.now + REOPEN_AFTER
    return True


def close(turn: Turn, _params: Params) -> object:
    """Close the instance before it is moved: refused in the first ten minutes of its life."""
    left = int(turn.bot.started_at + REOPEN_AFTER - turn.now)
    if left > 0:
        raise too_many_requests(left)
    return True


METHODS: Mapping[str, Method] = {
    "getupdates": get_updates,
    "setwebhook": set_webhook,
    "deletewebhook": delete_webhook,
    "getwebhookinfo": get_webhook_info,
    "logout": log_out,
    "close": close,
}
