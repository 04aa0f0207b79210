"""A budget for what a cold GET imports: imports are most of a cold start, and easily grow."""

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from lambda_fn.refresh import refresh
from lambda_fn.settings import Settings
from lambda_fn.store.s3 import open_store
from tests.support import foreign
from tests.support.events import event
from tests.support.server_process import ROOT, variables

MOST_OF_LAMBDA_FN = 40
MOST_IN_ALL = 47 + 3  # the standard library of Python 3.11 to 3.13 may import other modules of its own
PACKAGES = {"lambda_fn", "obstore"}
# dataclasses imports inspect, and a NamedTuple does not; hashlib and ssl load OpenSSL
FORBIDDEN = {
    *("numpy", "onnxruntime", "pandas", "boto3", "botocore", "jinja2", "aws_lambda_powertools", "training"),
    *("dataclasses", "inspect", "hashlib", "ssl"),
}
COLD_GET = """
import sys
import json, logging  # which Amazon's runtime interface client has imported
before = set(sys.modules)
from lambda_fn import api
class Context: aws_request_id = "r-1"
answer = api.handler(json.loads(sys.argv[1]), Context())
print(json.dumps([answer["statusCode"], sorted(set(sys.modules) - before)]))
"""


def imported(environ: Mapping[str, str]) -> set[str]:
    """Return the modules that the first GET of a fresh process imports.

    Of the standard library these are the public modules outside of packages.
    """
    sent = json.dumps(event("GET", "/api/predict"))
    done = subprocess.run(
        [sys.executable, "-c", COLD_GET, sent],
        cwd=ROOT,
        env={**variables(environ), "AWS_LAMBDA_FUNCTION_NAME": "api"},
        check=True,
        capture_output=True,
        text=True,
    )
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 200
    others = {name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names}
    return others | {name for name in set(modules) - others if not name.startswith("_") and "." not in name}


def test_a_cold_get_imports_few_modules(bucket_environ: dict[str, str]) -> None:
    settings = Settings.from_env(bucket_environ)
    store = open_store(settings)
    foreign.publish_to(store)
    refresh(store, settings, datetime(2026, 10, 30, 17, tzinfo=UTC))
    modules = imported(bucket_environ)
    packages = {name.partition(".")[0] for name in modules}
    assert sorted(packages & FORBIDDEN) == []
    assert packages - sys.stdlib_module_names == PACKAGES
    of_lambda_fn = sorted(name for name in modules if name.partition(".")[0] == "lambda_fn")
    assert len(of_lambda_fn) <= MOST_OF_LAMBDA_FN, of_lambda_fn
    assert len(modules) <= MOST_IN_ALL, sorted(modules)
