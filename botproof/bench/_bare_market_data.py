"""The other side of market-data's benchmark: a bare FastAPI endpoint that returns the same JSON.

``python -m botproof.bench._bare_market_data FILE``: the body of FILE, decoded once, is what POST
/combined_price returns; a request model, no cache, no venue.
"""

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Query(BaseModel):
    """What the endpoint takes."""

    symbol: str


def make_app(answer: Any) -> FastAPI:
    """Return the application."""
    app = FastAPI()

    @app.post("/combined_price")
    async def combined_price(_query: Query) -> Any:
        return answer

    return app


def main() -> None:
    """Listen, say where, run until SIGTERM."""
    answer = json.loads(Path(sys.argv[1]).read_bytes())
    # as market-data does: the loop, the parser, and answers that wait for no ACK
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        make_app(answer),
        log_config=None,
        access_log=False,
        ws="none",
        loop="asyncio",
        http="h11",
    )
    server = uvicorn.Server(config)
    signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
    listener.listen()
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    with listener, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
