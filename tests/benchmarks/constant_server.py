"""The constant application under the settings of `lambda_fn.server`, to the letter: it is that server's own main."""

import sys

from lambda_fn.server import __main__ as server
from lambda_fn.server import asgi
from tests.benchmarks import constant

if __name__ == "__main__":
    asgi.application = lambda: constant.application  # type: ignore[assignment,return-value]  # uvicorn finds it by name
    sys.exit(server.main())
