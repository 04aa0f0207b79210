"""Standard protocols: MLflow's scoring server, and the Open Inference Protocol of KServe and Triton."""

from lambda_fn.web.forecast import JsonObject
from lambda_fn.web.request import Request
from lambda_fn.web.routing import COMPRESSED, LARGE, NOTHING, Route
from lambda_fn.web.state import PairState

SERVER: JsonObject = {"name": "eurusd-forecast", "version": "2", "extensions": []}
TAG = "protocols"
MODEL = "/v2/models/{name}"
BAD_BODY = (400, "The body is invalid; `field` names the place, for example `inputs.close[2][17]`.")
BAD_PAIR = (400, "The pair is not served.")
NO_MODEL = (404, "The champion has another name or version.")


def ping(pair: PairState, request: Request) -> JsonObject:
    """Return an empty object. Raises if the champion cannot be used."""
    pair.champion()
    return {}


def invocations(pair: PairState, request: Request) -> JsonObject:
    """Return the champion's outputs by MLflow's protocol."""
    champion = pair.champion().champion
    from lambda_fn.web import model_protocols  # only for these protocols

    return model_protocols.invoke(champion, request.body())


def server(pair: PairState, request: Request) -> JsonObject:
    """Return the name and version of the server."""
    return SERVER


def live(pair: PairState, request: Request) -> JsonObject:
    """Return that the process serves requests."""
    return {"live": True}


def ready(pair: PairState, request: Request) -> JsonObject:
    """Return that the champion can be used. Raises otherwise."""
    pair.champion()
    return {"ready": True}


def model(pair: PairState, request: Request) -> JsonObject:
    """Return the champion's tensors."""
    serving = pair.champion()
    from lambda_fn.web import model_protocols  # only for these protocols

    return model_protocols.model(serving, request.path_args["name"], request.path_args.get("version"))


def model_ready(pair: PairState, request: Request) -> JsonObject:
    """Return that the champion of this name can be used. Raises otherwise."""
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
            "Model metadata",
            "Open Inference Protocol: name, version, inputs and outputs of the champion.",
            "Model",
            TAG,
            parameters=parameters,
            problems=(NO_MODEL, NOTHING),
        ),
        Route(
            "GET",
            f"{path}/ready",
            model_ready,
            "Model readiness",
            "Open Inference Protocol: 200 if the champion can be used.",
            "ModelReady",
            TAG,
            parameters=parameters,
            problems=(NO_MODEL, NOTHING),
        ),
        Route(
            "POST",
            f"{path}/infer",
            infer,
            "Inference",
            "Open Inference Protocol in JSON: the champion's outputs for tensors. `data` is flat or nested, with one "
            "row for each window.",
            "Inferred",
            TAG,
            parameters=parameters,
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
        "Nothing",
        TAG,
        parameters=("pair",),
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
        "Invoked",
        TAG,
        parameters=("pair",),
        body="Invocation",
        problems=(BAD_BODY, LARGE, COMPRESSED, NOTHING),
    ),
    Route(
        "GET",
        "/v2",
        server,
        "Server metadata",
        "Open Inference Protocol: name and version of the server.",
        "ServerMetadata",
        TAG,
        is_static=True,
    ),
    Route(
        "GET",
        "/v2/health/live",
        live,
        "Server liveness",
        "Open Inference Protocol: always 200.",
        "Live",
        TAG,
        is_static=True,
    ),
    Route(
        "GET",
        "/v2/health/ready",
        ready,
        "Server readiness",
        "Open Inference Protocol: 200 if the champion can be used.",
        "Ready",
        TAG,
        parameters=("pair",),
        problems=(BAD_PAIR, NOTHING),
    ),
    *_model_routes(MODEL, ("model_name",)),
    *_model_routes(f"{MODEL}/versions/{{version}}", ("model_name", "model_version")),
)
