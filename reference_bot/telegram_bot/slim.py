"""Imports the two big libraries without the parts of them that this bot never runs.

Imported first, by ``__main__`` and the Lambda door. Two optional parts get imported wherever their
own dependencies happen to be installed, and cost 14 MB of a 70 MB budget there:

* httpx's command line pulls in click, rich and pygments;
* python-telegram-bot's Telegram Passport support pulls in cryptography.

Both libraries are written to live without them (``except ImportError``), so while they are imported
those names are made unimportable, and importable again afterwards.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Make modules unimportable inside the block, unless they are imported already."""
    absent = [name for name in names if name not in sys.modules]
    modules = cast("dict[str, Any]", sys.modules)  # None here means: raise ImportError
    modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for name in absent:
            del modules[name]


with without("httpx._main", "cryptography"):
    import telegram.ext  # noqa: F401 - the import is the effect, and must happen here
