"""A small ASGI application that runs a guest for each request: with a time limit, and a host function that awaits.

Serve it with any ASGI server (`uvicorn asgi:app`), or mount it in Starlette (`Mount("/guest", app)`). Here two requests
are made without a server.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ferrowasm import Engine, FuncType, Linker, Module, Store, Trap, ValType

Message = MutableMapping[str, Any]

# Answers a request: asks the host for a number that belongs to the first byte of the path, until it has seen enough.
GUEST = """
(module
  (import "host" "look_up" (func $look_up (param i32) (result i32)))
  (func (export "handle") (param $key i32) (result i32)
    (if (i32.eq (local.get $key) (i32.const 0x73)) (then (loop $forever (br $forever))))  ;; "s" for spin
    (i32.add (call $look_up (local.get $key)) (i32.const 1))))
"""
TIME_LIMIT = 0.2  # seconds

engine = Engine()
i32 = ValType.i32()


async def look_up(key: int) -> int:
    """Stands for a query: other requests are served while this one waits."""
    await asyncio.sleep(0.01)
    return key * 2


linker = Linker(engine)
linker.define_func("host", "look_up", FuncType([i32], [i32]), look_up)
guest = linker.instantiate_pre(Module(engine, GUEST))


async def handle(path: str) -> tuple[int, str]:
    """Run the guest in a store of its own; the status and the body of the response."""
    with Store(engine) as store:
        try:
            async with asyncio.timeout(TIME_LIMIT):
                instance = await guest.instantiate_async(store)
                function = instance.exports(store).func("handle")
                return 200, str(await function.call_async(store, ord(path[1:2] or "/")))
        except TimeoutError:
            return 504, "the guest took too long"
        except Trap as trap:
            return 500, f"the guest failed: {trap.trap_code}"


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The application, as ASGI servers call it."""
    if scope["type"] != "http":
        raise NotImplementedError(f"no {scope['type']} here")
    status, body = await handle(scope["path"].removeprefix(scope.get("root_path", "")))
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body.encode()})


async def request(path: str) -> str:
    """What a server does."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "method": "GET", "path": path, "headers": []}, receive, send)
    return f"{path}: {sent[0]['status']} {sent[1]['body'].decode()}"


async def main() -> None:
    for response in await asyncio.gather(request("/a"), request("/spin"), request("/b")):
        print(response)


if __name__ == "__main__":
    asyncio.run(main())

# Output:
# /a: 200 195
# /spin: 504 the guest took too long
# /b: 200 197
