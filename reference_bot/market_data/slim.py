"""Imports httpx without its command line. Imported first, so that whoever else imports httpx
profits.

That command line pulls in rich and pygments wherever they happen to be installed: nine megabytes
that a service never runs. httpx is written to live without it (``except ImportError``), so while
httpx is imported that one module is made unimportable, and importable again afterwards.
"""

import contextlib
import ctypes
import gc
import sys
from typing import Any, Final, cast

__all__ = ["give_back_memory"]

_NOT_NEEDED: Final = "httpx._main"


def _import_slim() -> None:
    if _NOT_NEEDED in sys.modules:
        return
    modules = cast("dict[str, Any]", sys.modules)  # None here means: raise ImportError
    modules[_NOT_NEEDED] = None
    try:
        import httpx  # noqa: F401, PLC0415 - the import is the effect, and must happen here
    finally:
        del modules[_NOT_NEEDED]


_import_slim()


def give_back_memory() -> None:
    """Return to the system what importing and starting left behind: some five megabytes of heap.

    What was imported stays for good, so the garbage collector need not look at it again.
    """
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):  # not glibc: there is nothing to call
        ctypes.CDLL(None).malloc_trim(0)
