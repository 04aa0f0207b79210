"""Standard protocols: MLflow's scoring server, and the Open Inference Protocol of KServe and Triton."""

from typing import TYPE_CHECKING, TypedDict

from lambda_fn.web.params import PAIR, Parameter
from lambda_fn.web.request import Request
from lambda_fn.web.routing import COMPRESSED, LARGE, NOTHING, Route
from lambda_fn.web.state import PairState

if TYPE_CHECKING:
    from lambda_fn.web.model_protocols import Inferred, Invoked, Model

TAG = "protocols"
MODEL = "/v2/models/{name}"
BAD_BODY = (400, "The body is invalid; `field` names the place, for example `inputs.close[2][17]`.")
BAD_PAIR = (400, "The pair is not served.")
NO_MODEL = (404, "The champion has another name or version.")
_NAME = {"type": "string", "minLength": 1}
MODEL_NAME = Parameter(
    "name",
    "Registered name of the champion: `model_name` of GET /api/champion.",
    "EURUSD_Calendar",
    _NAME,
    key="model_name",
)
MODEL_VERSION = Parameter("version", "Version of the champion.", "1", _NAME, key="model_version")


class Nothing(TypedDict):
    """An empty object."""


class Live(TypedDict):
    """The server is live."""

    live: bool


class Ready(TypedDict):
    """The server is ready."""

    ready: bool


class ModelReady(TypedDict):
    """The model is ready."""

    name: str
    ready: bool


class ServerMetadata(TypedDict):
    """The server."""

    name: str
    version: str
    extensions: list[str]


def ping(pair: PairState, request: Request) -> Nothing:
    """Return an empty object. Raises if the champion cannot be used."""
    pair.champion()
    return {}


def invocations(pair: PairState, request: Request) -> "Invoked":
    """Return the champion's outputs by MLflow's protocol."""
    champion = pair.champion().champion
    from lambda_fn.web import model_protocols  # only for these protocols

    return model_protocols.invoke(champion, request.body())


def server(pair: PairState, request: Request) -> ServerMetadata:
    """Return the name and version of the server."""
    return {"name": "eurusd-forecast", "version": "2", "extensions": []}


def live(pair: PairState, request: Request) -> Live:
    """Return that the process serves requests."""
    return {"live": True}


def ready(pair: PairState, request: Request) -> Ready:
    """Return that the champion can be used. Raises otherwise."""
    pair.champion()
    return {"ready": True}


def model(pair: PairState, request: Request) -> "Model":
    """Return the champion's tensors."""
    serving = pair.champion()
    from lambda_fn.web import model_protocols  # only for these protocols

    return model_protocols.model(serving, request.path_args)


def model_ready(pair: PairState, request: Request) -> ModelReady:
    """Return that the champion of this name can be used. Raises otherwise."""
    return {"name": model(pair, request)["name"], "ready": True}


def infer(pair: PairState, request: Request) -> "Inferred":
    """Return the champion's outputs for tensors."""
    serving = pair.champion()
    from lambda_fn.web import model_protocols  # only for these protocols

    return model_protocols.infer(serving, request)


def _model_routes(path: str, parameters: tuple[Parameter, ...]) -> tuple[Route, ...]:
    """Return the routes of the champion, with or without its version in the path."""
    return (
        Route(
            "GET",
            path,
            model,
            "Model metadata",
            "Open Inference Protocol: name, version, inputs and outputs of the champion.",
            TAG,
            path_parameters=parameters,
            problems=(NO_MODEL, NOTHING),
        ),
        Route(
            "GET",
            f"{path}/ready",
            model_ready,
            "Model readiness",
            "Open Inference Protocol: 200 if the champion can be used.",
            TAG,
            path_parameters=parameters,
            problems=(NO_MODEL, NOTHING),
        ),
        Route(
            "POST",
            f"{path}/infer",
            infer,
            "Inference",
            "Open Inference Protocol in JSON: the champion's outputs for tensors. `data` is flat or nested, with one "
            "row for each window.",
            TAG,
            path_parameters=parameters,
            body="Infer",
            problems=(BAD_BODY, NO_MODEL, LARGE, COMPRESSED, NOTHING),
        ),
    )


ROUTES = (
    Route(
        "GET",
        "/ping",
        ping,
        "Readiness (MLflow)",
        "MLflow's scoring server: 200 if the champion can be used.",
        TAG,
        parameters=(PAIR,),
        problems=(BAD_PAIR, NOTHING),
    ),
    Route(
        "POST",
        "/invocations",
        invocations,
        "Inference (MLflow)",
        "MLflow's scoring protocol: send the champion's inputs as `inputs`, `instances`, `dataframe_split` or "
        "`dataframe_records`, where each row is a whole window. The response has the champion's outputs as "
        "`predictions`.",
        TAG,
        parameters=(PAIR,),
        body="Invocation",
        problems=(BAD_BODY, LARGE, COMPRESSED, NOTHING),
    ),
    Route(
        "GET",
        "/v2",
        server,
        "Server metadata",
        "Open Inference Protocol: name and version of the server.",
        TAG,
        is_static=True,
    ),
    Route(
        "GET",
        "/v2/health/live",
        live,
        "Server liveness",
        "Open Inference Protocol: always 200.",
        TAG,
        is_static=True,
    ),
    Route(
        "GET",
        "/v2/health/ready",
        ready,
        "Server readiness",
        "Open Inference Protocol: 200 if the champion can be used.",
        TAG,
        parameters=(PAIR,),
        problems=(BAD_PAIR, NOTHING),
    ),
    *_model_routes(MODEL, (MODEL_NAME,)),
    *_model_routes(f"{MODEL}/versions/{{version}}", (MODEL_NAME, MODEL_VERSION)),
)
