"""Lambda's handler without anything around it: an event a line on standard input, its answer on standard output."""

import json
import sys

from lambda_fn.api import handler
from tests.support.api_gateway import LambdaContext


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(handler(json.loads(line), LambdaContext())) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
