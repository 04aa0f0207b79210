"""Every request costs in proportion to its size, whatever it holds, and no answer is larger than the limit.

The test enumerates the routes: one that takes a body or a query and has no generator here fails.
"""

import functools
import gc
import itertools
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from lambda_fn.api import handle_event
from lambda_fn.record import correlations
from lambda_fn.web.errors import MAX_ANSWER_BYTES, MAX_BODY, MAX_SERIES
from lambda_fn.web.routes import ROUTES
from lambda_fn.web.routing import Route
from tests.support import foreign
from tests.support.events import event
from tests.support.local_api import START, LocalApi, local_api
from tests.support.steps import lines

CLOSES: list[float] = foreign.closes(foreign.WINDOW).tolist()
SIZES = (64, 128, 256)
GROWTH, FIXED_LINES, FIXED_BYTES = 2.2, 400, 300_000  # of the work for twice the size, and what any request costs
Generator = Callable[[int], dict[str, Any]]


def unknown_names(size: int) -> dict[str, str]:
    return {f"name{number}": "1" for number in range(size)}


def long_value(name: str) -> Callable[[int], dict[str, str]]:
    return lambda size: {name: "1" * 100 * size}


def many_values(name: str) -> Callable[[int], dict[str, str]]:
    """As API Gateway joins the values of a repeated parameter."""
    return lambda size: {name: ",".join(f"{number % 99}.5" for number in range(10 * size))}


def series(size: int) -> object:
    return {"series": [{"close": CLOSES}] * (MAX_SERIES * size // SIZES[-1])}


def columns(size: int) -> object:
    return {f"column{number}": CLOSES for number in range(size)} | {"close": CLOSES}


def rows(form: str) -> Callable[[int], object]:
    """Rows that each have a name of their own, which a table of all names would make a square of."""
    return lambda size: {form: [{f"name{number}": 1} for number in range(size)]}


def inputs(size: int) -> object:
    return {"inputs": {"close": [CLOSES] * (MAX_SERIES * size // SIZES[-1])}}


def split(size: int) -> object:
    return {"dataframe_split": {"columns": [f"name{number}" for number in range(size)], "data": [[1] * size]}}


def tensor(size: int) -> dict[str, Any]:
    count = MAX_SERIES * size // SIZES[-1]
    return {"name": "close", "shape": [count, foreign.WINDOW], "datatype": "FP64", "data": CLOSES * count}


def outputs(size: int) -> object:
    return {"inputs": [tensor(size)], "outputs": [{"name": "quantiles"}] * size}


def tensors(size: int) -> object:
    return {"inputs": [{"name": f"name{number}", "shape": [1, 1], "data": [1]} for number in range(size)]}


QUERIES = {
    "unknown names": unknown_names,
    **{
        f"{kind.__name__} of {name}": kind(name)
        for kind in (long_value, many_values)
        for name in (
            *("pair", "horizon", "h", "level", "quantiles", "below", "above", "probability", "touch", "date", "kind"),
            *("as_of", "currency", "position", "confidence"),
        )
    },
    **{f"long_value of {name}": long_value(name) for name in ("days", "format", "decimal", "side", "price", "as_of")},
    **{f"{kind.__name__} of {name}": kind(name) for kind in (long_value, many_values) for name in ("amount", "days")},
    "positions and amount": lambda size: {"amount": "5," * size, "position": "USD," * size},
}


def positions(size: int) -> object:
    return {"positions": {f"A{number}": 1 for number in range(size)}}


def confidences(size: int) -> object:
    return {"confidence": [50 + 40 * number / size for number in range(size)]}


BODIES: dict[str, dict[str, Callable[[int], object]]] = {
    "/api/book": {"positions": positions, "confidences": confidences},
    "/api/predict": {"series": series, "columns": columns},
    "/invocations": {
        "instances": rows("instances"),
        "records": rows("dataframe_records"),
        "split": split,
        "inputs": inputs,
    },
    "/v2/models/{name}/infer": {"outputs": outputs, "tensors": tensors},
    "/v2/models/{name}/versions/{version}/infer": {"outputs": outputs, "tensors": tensors},
}
PATHS = {"{name}": "EURUSD_Foreign", "{version}": "1"}


def path_of(route: Route) -> str:
    return functools.reduce(lambda path, name: path.replace(name, PATHS[name]), PATHS, route.path)


def requests() -> dict[str, Generator]:
    """A generator for each route and kind of large request."""
    generators: dict[str, Generator] = {}
    for route in ROUTES:
        path = path_of(route)
        valid = {"close": CLOSES} if route.method == "POST" else None
        for kind, query in QUERIES.items():
            if kind == "unknown names" or kind.rpartition(" ")[2] in (*route.query_names, *_form_names(route)):
                generators[f"{route.method} {path}: {kind}"] = functools.partial(
                    _asking, route.method, path, query, valid
                )
        for kind, body in BODIES.get(route.path, {}).items():
            generators[f"{route.method} {path}: {kind}"] = functools.partial(_sending, path, body)
    return generators


def _form_names(route: Route) -> list[str]:
    return [name for form in route.others for name in form.query_names or ()]


def _asking(method: str, path: str, query: Callable[[int], dict[str, str]], body: object, size: int) -> dict[str, Any]:
    names = query(size)
    return event(method, path, {"format": "html", **names} if path == "/" else names, body)


def _sending(path: str, body: Callable[[int], object], size: int) -> dict[str, Any]:
    return event("POST", path, body=body(size))


REQUESTS = requests()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalApi:
    api = local_api(tmp_path_factory.mktemp("api"))
    api.promote(foreign.champion_bytes(), 1)
    correlations.write(api.store, ["EURUSD"], START)
    return api


def test_every_route_with_a_body_or_a_query_has_generators() -> None:
    names = {name for kind in QUERIES for name in [kind.rpartition(" ")[2]]}
    for route in ROUTES:
        missing = {*route.query_names, *_form_names(route)} - names
        assert not missing, f"{route.path}: add generators of {missing} to QUERIES"
        assert (route.body is None) == (route.path not in BODIES or route.method != "POST"), f"{route.path}: BODIES"


@pytest.mark.parametrize("request_kind", REQUESTS)
def test_a_request_costs_in_proportion_to_its_size(request_kind: str, api: LocalApi) -> None:
    generate = REQUESTS[request_kind]
    answer(api, generate(SIZES[0] // 2))  # what is done once is done
    work, memory = [], []
    for size in SIZES:
        asked = generate(size)
        assert len(json.dumps(asked)) < MAX_BODY
        work.append(lines(functools.partial(answer, api, asked)))
        memory.append(peak(functools.partial(answer, api, asked)))
    for smaller, larger in itertools.pairwise(work):
        assert larger <= GROWTH * smaller + FIXED_LINES, work
    for smaller, larger in itertools.pairwise(memory):
        assert larger <= GROWTH * smaller + FIXED_BYTES, memory


def answer(api: LocalApi, asked: dict[str, Any]) -> None:
    result = handle_event(api.app, asked)
    assert result["statusCode"] in (200, 400, 413)
    assert len(result["body"]) <= MAX_ANSWER_BYTES


def peak(call: Callable[[], object]) -> int:
    """Bytes that the call allocates at most at once; without the garbage collector, whose time no test can choose."""
    gc.disable()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()


def test_an_answer_over_the_limit_is_an_error(api: LocalApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """One check for all routes, whatever they return."""
    from lambda_fn.web import response as module

    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1)
    for route in ROUTES:
        if route.method == "GET":
            query = {"below": "1.1"} if route.path == "/api/probability" else {}
            result = local_api(api.folder).get(path_of(route), **query)
            assert (result.status, result.json["code"]) == (400, "answer_too_large"), route.path


def test_a_square_is_noticed() -> None:
    def square(size: int) -> None:
        from lambda_fn.web.params import central_intervals

        for _ in range(size):
            central_intervals([number / size for number in range(1, size)])

    small, large = (lines(functools.partial(square, size)) for size in SIZES[:2])
    assert large > GROWTH * small + FIXED_LINES


@pytest.mark.parametrize("path", ["/v2/health/live", "/health", "/ping"])
def test_what_a_server_remembers_of_paths_is_bounded(path: str, api: LocalApi) -> None:
    """Slashes and names that nobody knows make no new entries."""
    import asyncio

    from lambda_fn.server.asgi import AsgiApp

    server = AsgiApp(api.app)

    async def ask() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            pass

        for number in range(200):
            query = f"pair={'x' * number}" if number % 2 else ""
            scope = {"method": "GET", "path": path + "/" * number, "query_string": query.encode(), "headers": []}
            await server(scope, receive, send)

    asyncio.run(ask())
    assert len(server._in_memory) <= 1
