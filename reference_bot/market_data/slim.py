"""What keeps the process small. Imported first, so that whoever else imports httpx profits.

httpx's command line pulls in rich and pygments wherever they happen to be installed: nine megabytes
that a service never runs. FastAPI looks for models of pydantic's first version in every route, and
with that imports the whole of it: two megabytes. Both are written to live without
(``except ImportError``), so such a module is made unimportable for as long as it takes.
"""

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator
from typing import Any, Final, cast

PYDANTIC_V1: Final = "pydantic.v1"


@contextlib.contextmanager
def without(module: str) -> Iterator[None]:
    """Make a module unimportable for a while, unless it has been imported already."""
    if module in sys.modules:
        yield
        return
    modules = cast("dict[str, Any]", sys.modules)  # None here means: raise ImportError
    modules[module] = None
    try:
        yield
    finally:
        del modules[module]


@contextlib.contextmanager
def built_when_used() -> Iterator[None]:
    """Let pydantic build the models that are defined meanwhile when they are first used.

    FastAPI defines the whole of OpenAPI as models: 1.5 MB and 45 ms, for who asks for the
    description. ``defer_build`` is a setting of pydantic's; should it once not be read from the
    base class any more, they are built at once as before.
    """
    from pydantic import BaseModel  # noqa: PLC0415 - httpx is to be imported first

    BaseModel.model_config["defer_build"] = True
    try:
        yield
    finally:
        del BaseModel.model_config["defer_build"]


with without("httpx._main"):
    import httpx  # noqa: F401 - the import is the effect, and must happen here


def give_back_memory() -> None:
    """Return to the system what importing and starting left behind: some five megabytes of heap.

    What was imported stays for good, so the garbage collector need not look at it again: this is
    for a process that starts one service. What is garbage later is collected as ever.
    """
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):  # not glibc: there is nothing to call
        ctypes.CDLL(None).malloc_trim(0)
