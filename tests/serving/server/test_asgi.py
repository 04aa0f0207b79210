"""Where the server answers: what is in memory on the event loop, what may take long in a thread beside it."""

import asyncio
import threading
from collections.abc import MutableMapping
from typing import Any

import pytest

from lambda_fn.server.asgi import Gateway


async def ask(gateway: Gateway, path: str) -> None:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    sent: list[MutableMapping[str, Any]] = []
    await gateway({"method": "GET", "path": path, "query_string": b"", "headers": []}, receive, send)
    assert sent[0]["status"] == 200


@pytest.mark.parametrize(("path", "on_the_loop"), [("/api/predict", [False, True, True]), ("/", [False] * 3)])
def test_a_page_never_holds_other_answers_up(path: str, on_the_loop: list[bool]) -> None:
    """It takes much longer to make than any other answer, also when the store was read already."""
    found = []

    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        found.append(threading.current_thread() is threading.main_thread())
        return {"statusCode": 200, "body": ""}

    async def thrice() -> None:
        gateway = Gateway(handle)
        for _ in range(3):
            await ask(gateway, path)

    asyncio.run(thrice())
    assert found == on_the_loop
