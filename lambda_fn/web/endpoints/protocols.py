"""Protocols that others made: MLflow's scoring server, and the Open Inference Protocol of KServe and Triton."""

from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.request import Request
from lambda_fn.web.routing import COMPRESSED, LARGE, NOTHING, Route
from lambda_fn.web.state import PairState

SERVER: JsonObject = {"name": "eurusd-forecast", "version": "2", "extensions": []}
TAG = "protocols"
MODEL = "/v2/models/{name}"
BODY = (400, "The body is wrong; `field` names the place, such as `inputs.close[2][17]`.")
NO_PAIR = (400, "The pair is not served.")
OTHER = (404, "The champion has another name or version.")


def ping(pair: PairState, request: Request) -> JsonObject:
    """Return nothing; raise when the champion cannot be used."""
    pair.champion()
    return {}


def invocations(pair: PairState, request: Request) -> JsonObject:
    """Return the champion's outputs by MLflow's protocol."""
    champion = pair.champion().champion
    from lambda_fn.web import model_protocols  # only for these protocols

    return model_protocols.answer(champion, request.body())


def server(pair: PairState, request: Request) -> JsonObject:
    """Return the name and version of the server."""
    return SERVER


def live(pair: PairState, request: Request) -> JsonObject:
    return {"live": True}


def ready(pair: PairState, request: Request) -> JsonObject:
    """Return that the champion can be used, or raise."""
    pair.champion()
    return {"ready": True}


def model(pair: PairState, request: Request) -> JsonObject:
    """Return the champion's tensors."""
    serving = pair.champion()
    from lambda_fn.web import model_protocols  # only for these protocols

    return model_protocols.model(serving, request.path_args["name"], request.path_args.get("version"))


def model_ready(pair: PairState, request: Request) -> JsonObject:
    """Return that the champion of this name can be used, or raise."""
    return {"name": model(pair, request)["name"], "ready": True}


def infer(pair: PairState, request: Request) -> JsonObject:
    """Return the champion's outputs for tensors."""
    serving = pair.champion()
    from lambda_fn.web import model_protocols  # only for these protocols

    name, version = request.path_args["name"], request.path_args.get("version")
    return model_protocols.infer(serving, name, version, request.body())


def _model_routes(path: str, parameters: tuple[str, ...]) -> tuple[Route, ...]:
    """Return the routes of the champion, with or without its version in the path."""
    return (
        Route(
            "GET",
            path,
            model,
            "The champion's tensors",
            "Name, version, inputs and outputs of the champion, by the Open Inference Protocol.",
            "Model",
            TAG,
            parameters=parameters,
            problems=(OTHER, NOTHING),
        ),
        Route(
            "GET",
            f"{path}/ready",
            model_ready,
            "Whether the champion can be asked",
            "By the Open Inference Protocol.",
            "ModelReady",
            TAG,
            parameters=parameters,
            problems=(OTHER, NOTHING),
        ),
        Route(
            "POST",
            f"{path}/infer",
            infer,
            "The champion's outputs for tensors",
            "By the Open Inference Protocol, as JSON: `data` flat or nested, a row a window.",
            "Inferred",
            TAG,
            parameters=parameters,
            body="Infer",
            problems=(BODY, OTHER, LARGE, COMPRESSED, NOTHING),
        ),
    )


ROUTES = (
    Route(
        "GET",
        "/ping",
        ping,
        "Whether the champion can be asked",
        "As MLflow's scoring server.",
        "Nothing",
        TAG,
        parameters=("pair",),
        problems=(NO_PAIR, NOTHING),
    ),
    Route(
        "POST",
        "/invocations",
        invocations,
        "The champion's outputs for its inputs",
        "MLflow's scoring protocol: the champion's inputs as `inputs`, `instances`, `dataframe_split` or "
        "`dataframe_records`, each row a whole window; its outputs as `predictions`.",
        "Invoked",
        TAG,
        parameters=("pair",),
        body="Invocation",
        problems=(BODY, LARGE, COMPRESSED, NOTHING),
    ),
    Route("GET", "/v2", server, "The server", "By the Open Inference Protocol.", "ServerMetadata", TAG, is_static=True),
    Route("GET", "/v2/health/live", live, "Whether the server lives", "It answers.", "Live", TAG, is_static=True),
    Route(
        "GET",
        "/v2/health/ready",
        ready,
        "Whether the champion can be asked",
        "By the Open Inference Protocol.",
        "Ready",
        TAG,
        parameters=("pair",),
        problems=(NO_PAIR, NOTHING),
    ),
    *_model_routes(MODEL, ("model_name",)),
    *_model_routes(f"{MODEL}/versions/{{version}}", ("model_name", "model_version")),
)
