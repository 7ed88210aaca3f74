"""A service that answers every POST with the same recorded body, some time later.

`python -m botproof.bench._slow_answer FILE --port N --seconds S`. Any GET is answered 200 at once,
so that it can be waited for. The time is that of an exchange; it costs no processor.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from botproof.doubles.kit.process import run_until_stopped
from botproof.doubles.messages import Request, Response
from botproof.doubles.server import Server, serve


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="the body, JSON")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    body = arguments.file.read_bytes()

    async def answer(request: Request) -> Response:
        if request.method != "POST":
            return Response(body=b"{}")
        await asyncio.sleep(arguments.seconds)
        return Response(body=body)

    async def begin(closing: AsyncExitStack) -> Server:
        return await closing.enter_async_context(await serve(answer, port=arguments.port))

    return run_until_stopped(begin)


if __name__ == "__main__":
    raise SystemExit(main())
