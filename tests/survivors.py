# ruff: noqa: E501  # a name is as long as the code that it quotes
"""What `make unguarded` may remove without a test that fails, each with the reason why that is left.

`python -m tests.survivors` prints the table of infra/SECURITY.md.
"""

import sys
from collections.abc import Iterator

_SPEED = "It changes speed or memory only; the limits of the child hold without it"
_SPACE = "It leaves white space out of a page"
_AGAIN = "The next check refuses it too, with other words"
_REPEATS = "The other of its two calls refuses a champion that gives two forecasts"
_RELEASE = "`tests/infra/test_release_check.py` notices it; only `tests/serving` is run"
_PAUSE = "Tests wait less, so they give pauses of their own"

# By the name that `make unguarded` prints.
SURVIVORS: dict[str, str] = {
    "lambda_fn/champion/runtime.py: options.intra_op_num_threads = 1": _SPEED,
    "lambda_fn/champion/runtime.py: options.inter_op_num_threads = 1": _SPEED,
    'lambda_fn/champion/runtime.py: options.add_session_config_entry("session.intra_op.allow_spinning", "0")': _SPEED,
    'lambda_fn/champion/runtime.py: options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")': _SPEED,
    "lambda_fn/champion/runtime.py: options.log_severity_level = 4": "A child's standard error is not read",
    "lambda_fn/champion/runtime.py: ort.InferenceSession(enable_fallback=0)": "There is one provider, so none to fall back to",
    'lambda_fn/champion/runtime.py: options.add_session_config_entry("session.load_model_format", "ONNX")': (
        "A second line of defence: the parser of the contract refuses the other format before"
    ),
    'lambda_fn/champion/child.py: "-B"': "A child may write no file, so it writes no byte code either",
    'lambda_fn/champion/child.py: "-S"': "Without it a child starts more slowly",
    "lambda_fn/champion/child.py: subprocess.Popen(bufsize=0)": "The pipes are used by their descriptors",
    "lambda_fn/champion/child.py: subprocess.Popen(stderr=subprocess.DEVNULL)": "It keeps the report of a crash out of the log",
    "lambda_fn/champion/rollback.py: LISTED_GENERATIONS = 20": "It shortens a message",
    "lambda_fn/champion/rollback.py: pointer.generation is None": _AGAIN,
    "lambda_fn/champion/runtime.py: CHECK_INTERVAL_S = 0.25": "A run that takes too long then ends with its child",
    "lambda_fn/champion/sandbox.py: name in reply": _AGAIN,
    "lambda_fn/champion/trial.py: _check_repeats(champion, inputs, whole, where)": _REPEATS,
    "lambda_fn/champion/trial.py: _check_repeats(champion, few, part, where)": _REPEATS,
    "lambda_fn/jobs/dry_run.py: isinstance(error, Misconfigured)": _RELEASE,
    "lambda_fn/store/dry_run.py: (blob := self._written[key]) is None": _RELEASE,
    'lambda_fn/jobs/hook.py: HttpRequest(method="POST")': "A request with a body is a POST",
    "lambda_fn/record/book.py: ROUNDING = 1e-9": "A thousand times it is still far below the digits of an answer",
    "lambda_fn/record/correlations.py: ROWS = 1_500": "The oldest of so many days weighs 1e-10",
    "lambda_fn/record/correlations.py: STEPS = 40": "The search has converged after them",
    "lambda_fn/registry/mlflow_client.py: PAGE_SIZE = 100": "It sets how many rows MLflow puts into a page",
    "lambda_fn/server/__main__.py: uvicorn.Config(access_log=False)": "uvicorn's access log has no handler",
    "lambda_fn/server/hooks.py: PAUSES = 2.0": _PAUSE,
    "lambda_fn/server/hooks.py: PAUSES = 10.0": _PAUSE,
    "lambda_fn/server/hooks.py: PAUSES = 30.0": _PAUSE,
    "lambda_fn/variables.py: not text": _AGAIN,
    "lambda_fn/web/model_protocols.py: not 1 <= len(rows) <= MAX_SERIES": _AGAIN,
    "lambda_fn/champion/signature.py: json.dumps(allow_nan=False)": "A pointer holds finite numbers only",
    "lambda_fn/ingest.py: LAST_BYTES = 4096": "More of the price file is read then",
    "lambda_fn/currency_pairs.py: base not in ORDER": "The function that orders the two currencies raises the same error",
    "lambda_fn/server/__main__.py: uvicorn.Config(factory=True)": "uvicorn finds out by itself that it is a factory",
    'lambda_fn/server/__main__.py: uvicorn.Config(lifespan="off")': "uvicorn finds out by itself that there is none",
    'lambda_fn/server/__main__.py: uvicorn.Config(ws="none")': "No library of WebSockets is installed",
    "lambda_fn/web/page/render.py: Environment(trim_blocks=True)": _SPACE,
    "lambda_fn/web/page/render.py: Environment(lstrip_blocks=True)": _SPACE,
    "lambda_fn/web/page/render.py: Environment(auto_reload=False)": "Without it each page looks for newer templates",
    "lambda_fn/prices/price_file.py: CHECKED_ROWS = 25": "More rows are checked then",
    "lambda_fn/registry/mlflow_access.py: name and not path.exists()": "The library that reads the file raises the same error",
    "lambda_fn/record/scoring.py: len(cells) != len(header)": "The strict zip on the next line raises the same error",
    "lambda_fn/web/response.py: json.dumps(allow_nan=False)": "Every number of an answer was checked where it was read",
    "lambda_fn/prices/merge.py: lru_cache(maxsize=1)": "A job parses as many files as it has pairs, and then ends",
    'lambda_fn/registry/secrets_manager.py: Request(method="POST")': "A request with a body is a POST",
    "lambda_fn/store/s3.py: S3Store(virtual_hosted_style_request=False)": "The server of the tests takes both forms",
    "lambda_fn/store/object_store.py: obstore.put(use_multipart=False)": "It chooses how a large object is written",
    "lambda_fn/store/object_store.py: SMALL = 2**20": "It chooses the client that writes an object",
    "lambda_fn/web/model_protocols.py: rows is None": _AGAIN,
    "lambda_fn/jobs/telemetry.py: LambdaPowertoolsFormatter(use_rfc3339=True)": "It chooses how a log writes a time",
}


def rows() -> Iterator[str]:
    """The lines of a table in Markdown: what is removed, and why no test notices."""
    yield "| removed | why no test notices |"
    yield "|---|---|"
    for name, reason in SURVIVORS.items():
        file, _, text = name.partition(": ")
        code = text.replace("|", "\\|")
        yield f"| `{code}` in `{file}` | {reason} |"


if __name__ == "__main__":
    sys.stdout.writelines(f"{row}\n" for row in rows())
