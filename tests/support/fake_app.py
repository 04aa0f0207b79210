"""An App whose responses come from a function, for tests of the server around it."""

from collections.abc import Callable

from lambda_fn.api import App
from lambda_fn.web.request import Request
from lambda_fn.web.response import Response
from lambda_fn.web.routes import ROUTES
from lambda_fn.web.routing import Router


class FakeApp(App):
    evicted_pairs = 0

    def __init__(self, respond: Callable[[Request], Response]) -> None:
        self.router, self.base_path, self._respond = Router(ROUTES), "", respond

    def handle(self, request: Request) -> Response:
        return self._respond(request)


def ok(body: str = "") -> Response:
    return Response(200, {}, body)
