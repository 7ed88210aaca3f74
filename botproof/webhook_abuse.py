"""What anybody may send to the address of a webhook: wrong secrets, bodies that are no update."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

WRONG_SECRET = "wrong-secret-of-nobody"  # noqa: S105 - it opens nothing
BODIES: Mapping[str, tuple[str, bytes]] = {
    "no_json": ("a body that is no JSON", b"not JSON"),
    "no_update": ("JSON that is no update", b'{"hello": "world"}'),
    "no_object": ("JSON that is no object", b"[1, 2, 3]"),
    "too_large": ("8 MB", b'{"update_id": 1, "padding": "' + b"x" * 8_000_000 + b'"}'),
}
_Made = Callable[[str], str | None]

_WAYS: Mapping[str, tuple[str, _Made]] = {
    "no_secret": ("an update without a secret", lambda _: None),
    "wrong_secret": ("an update with a wrong secret", lambda _: WRONG_SECRET),
    "empty_secret": ("an update with an empty secret", lambda _: ""),
    "longer_secret": ("an update with the secret and more behind it", "{}-and-more".format),
    "cased_secret": ("an update with the secret in large letters for small", str.swapcase),
}
WRONG_SECRETS = tuple(_WAYS)
"""Their names."""


def wrong_secrets(secret: str) -> Iterator[tuple[str, str, str | None]]:
    """Yield the name of each, what is sent by it, and the header's value (None: there is none).

    Where no secret is declared the header says nothing, and is left out.
    """
    for name, (sent, made) in _WAYS.items():
        given = made(secret)
        if given is None or (secret and given != secret):
            yield name, sent, given
