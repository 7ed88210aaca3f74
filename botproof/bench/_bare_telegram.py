"""What a team writes for its tests by hand: a fake Bot API in thirty lines of aiohttp.

It keeps no state and checks nothing; it answers with the bytes that the double would. It is the
other side of the double's benchmark.
"""

from __future__ import annotations

import asyncio
import json
import signal

import aiohttp
from aiohttp import web

SENT = (
    b'{"ok":true,"result":{"message_id":2,"from":{"id":123456,"is_bot":true,"first_name":'
    b'"Bot 123456","username":"double_123456_bot"},"chat":{"id":1,"type":"private","first_name":'
    b'"User 1"},"date":1795318314,"text":"Hello"}}'
)


async def main() -> None:
    """Listen, say where, run until SIGTERM."""
    updates: asyncio.Queue[bytes] = asyncio.Queue()
    hook = ""
    session = aiohttp.ClientSession()

    async def send_message(request: web.Request) -> web.Response:
        await request.json()
        return web.Response(body=SENT, content_type="application/json")

    async def get_updates(_request: web.Request) -> web.Response:
        return web.Response(body=await updates.get(), content_type="application/json")

    async def set_webhook(request: web.Request) -> web.Response:
        nonlocal hook
        hook = (await request.json())["url"]
        return web.Response(body=b"{}", content_type="application/json")

    async def deliver(body: bytes) -> None:
        async with session.post(hook, data=body) as response:
            await response.read()

    async def inject(request: web.Request) -> web.Response:
        body = await request.read()
        if hook:
            tasks.append(asyncio.create_task(deliver(body)))
        else:
            updates.put_nowait(body)
        return web.Response(body=b"{}", content_type="application/json")

    tasks: list[asyncio.Task[None]] = []
    app = web.Application()
    app.router.add_post("/bot{token}/sendMessage", send_message)
    app.router.add_post("/bot{token}/getUpdates", get_updates)
    app.router.add_post("/bot{token}/setWebhook", set_webhook)
    app.router.add_post("/bot{token}/deleteWebhook", set_webhook)
    app.router.add_post("/_double/bots/{token}/updates", inject)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(json.dumps({"event": "listening", "url": f"http://{host}:{port}"}), flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await asyncio.gather(*tasks, return_exceptions=True)
    await session.close()
    await runner.cleanup()


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
