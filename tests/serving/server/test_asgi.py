"""Where the server answers: what is in memory on the event loop, what may take long in a thread beside it."""

import asyncio
import threading
from collections.abc import MutableMapping
from typing import Any

import pytest

from lambda_fn.server.asgi import AsgiApp
from lambda_fn.web.request import Request
from lambda_fn.web.response import Response
from tests.support.fake_app import FakeApp, ok


async def ask(server: AsgiApp, path: str, query: bytes = b"") -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    sent: list[MutableMapping[str, Any]] = []
    await server({"method": "GET", "path": path, "query_string": query, "headers": []}, receive, send)
    assert sent[0]["status"] == 200


@pytest.mark.parametrize(("path", "on_the_loop"), [("/api/predict", [False, True, True]), ("/", [False] * 3)])
def test_a_page_never_holds_other_answers_up(path: str, on_the_loop: list[bool]) -> None:
    """It takes much longer to make than any other answer, also when the store was read already."""
    found = []

    def respond(request: Request) -> Response:
        found.append(threading.current_thread() is threading.main_thread())
        return ok()

    async def thrice() -> None:
        server = AsgiApp(FakeApp(respond))
        for _ in range(3):
            await ask(server, path)

    asyncio.run(thrice())
    assert found == on_the_loop


def test_a_pair_that_is_not_in_memory_holds_no_other_up() -> None:
    """Each pair is read from the store by itself, however its parameter is written, and again when it was evicted."""
    found = list[bool]()

    def respond(request: Request) -> Response:
        found.append(threading.current_thread() is threading.main_thread())
        return ok()

    async def scene() -> None:
        app = FakeApp(respond)
        server = AsgiApp(app)
        for query in (b"", b"pair=GBPUSD", b"%70air=USDJPY", b"pair=GBPUSD&horizon=1", b"pair=USDJPY"):
            await ask(server, "/api/predict", query)
        app.evicted_pairs = 1
        for _ in range(2):
            await ask(server, "/api/predict", b"pair=GBPUSD")

    asyncio.run(scene())
    assert found == [False, False, False, True, True, False, True]


def test_a_past_day_holds_no_other_up() -> None:
    """Its entry is read from the store, and tells nothing of the newest forecast."""
    found = list[bool]()

    def respond(request: Request) -> Response:
        found.append(threading.current_thread() is threading.main_thread())
        return ok()

    async def scene() -> None:
        server = AsgiApp(FakeApp(respond))
        for query in (b"as_of=2026-10-30", b"", b"", b"as_of=2026-10-30", b"%61s_of=2026-10-29&horizon=1"):
            await ask(server, "/api/predict", query)

    asyncio.run(scene())
    assert found == [False, False, True, False, False]


SCOPE: dict[str, Any] = {"query_string": b"", "headers": [], "client": None}


def test_who_waits_for_the_store_or_a_champion_holds_nobody_up() -> None:
    """The handler of /slow and of every POST waits until /fast was answered: from memory, and before them."""
    answered = threading.Event()

    def respond(request: Request) -> Response:
        if request.path == "/slow" or request.method == "POST":
            assert answered.wait(60)
        return ok(request.path)

    async def main() -> list[str]:
        server, order = AsgiApp(FakeApp(respond)), list[str]()

        async def ask(method: str, path: str) -> None:
            async def receive() -> MutableMapping[str, Any]:
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.body":
                    order.append(f"{method} {message['body'].decode()}")

            await server({**SCOPE, "method": method, "path": path}, receive, send)

        await ask("GET", "/fast")
        waiting = [asyncio.create_task(ask(*asked)) for asked in (("GET", "/slow"), ("POST", "/fast"))]
        await asyncio.sleep(0)  # both are on their way
        await ask("GET", "/fast")
        answered.set()
        await asyncio.gather(*waiting)
        return order

    order = asyncio.run(main())
    assert order[:2] == ["GET /fast", "GET /fast"] and sorted(order[2:]) == ["GET /slow", "POST /fast"]
