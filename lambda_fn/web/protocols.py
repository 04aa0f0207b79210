"""The routes of protocols that others made: MLflow's scoring server, and the Open Inference Protocol of KServe."""

from lambda_fn.web.errors import MAX_BODY
from lambda_fn.web.route import Route

_TAG = "protocols"
_BODY = (400, "The body is wrong; `field` names the place, such as `inputs.close[2][17]`.")
_PAIR = (400, "The pair is not served.")
_LARGE = (413, f"The body is larger than {MAX_BODY:,} bytes.")
COMPRESSED = (415, "The body is compressed; send it without Content-Encoding.")
_NOTHING = (503, "Nothing can be served yet; ask again after Retry-After seconds.")
_OTHER = (404, "The champion has another name or version.")
_RUN = (_BODY, _OTHER, _LARGE, COMPRESSED, _NOTHING)
_MODEL = "/v2/models/{name}"
_VERSION = "/v2/models/{name}/versions/{version}"


def _of_model(path: str, names: tuple[str, ...], suffix: str) -> tuple[Route, ...]:
    """The champion, with or without its version."""
    return (
        Route(
            "GET",
            path,
            f"model{suffix}",
            "The champion's tensors",
            "Name, version, inputs and outputs of the champion, by the Open Inference Protocol.",
            "Model",
            _TAG,
            parameters=names,
            problems=(_OTHER, _NOTHING),
        ),
        Route(
            "GET",
            f"{path}/ready",
            f"model_ready{suffix}",
            "Whether the champion can be asked",
            "By the Open Inference Protocol.",
            "ModelReady",
            _TAG,
            parameters=names,
            problems=(_OTHER, _NOTHING),
        ),
        Route(
            "POST",
            f"{path}/infer",
            f"infer{suffix}",
            "The champion's outputs for tensors",
            "By the Open Inference Protocol, as JSON: `data` flat or nested, a row a window.",
            "Inferred",
            _TAG,
            parameters=names,
            body="Infer",
            problems=_RUN,
        ),
    )


PROTOCOLS = (
    Route(
        "GET",
        "/ping",
        "ping",
        "Whether the champion can be asked",
        "As MLflow's scoring server.",
        "Nothing",
        _TAG,
        parameters=("pair",),
        problems=(_PAIR, _NOTHING),
    ),
    Route(
        "POST",
        "/invocations",
        "invocations",
        "The champion's outputs for its inputs",
        "MLflow's scoring protocol: the champion's inputs as `inputs`, `instances`, `dataframe_split` or "
        "`dataframe_records`, each row a whole window; its outputs as `predictions`.",
        "Invoked",
        _TAG,
        parameters=("pair",),
        body="Invocation",
        problems=(_BODY, _LARGE, COMPRESSED, _NOTHING),
    ),
    Route(
        "GET", "/v2", "server", "The server", "By the Open Inference Protocol.", "ServerMetadata", _TAG, is_static=True
    ),
    Route("GET", "/v2/health/live", "live", "Whether the server lives", "It answers.", "Live", _TAG, is_static=True),
    Route(
        "GET",
        "/v2/health/ready",
        "ready",
        "Whether the champion can be asked",
        "By the Open Inference Protocol.",
        "Ready",
        _TAG,
        parameters=("pair",),
        problems=(_PAIR, _NOTHING),
    ),
    *_of_model(_MODEL, ("model_name",), ""),
    *_of_model(_VERSION, ("model_name", "model_version"), "_version"),
)
