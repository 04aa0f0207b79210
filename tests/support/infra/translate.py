"""Reads templates in the environment of AWS's tools, one request a line.

A request is JSON on standard input: `path`, and `parameters` where the template is to be translated. The answer on
standard output is one line of JSON: the template, or the traceback as a string.
"""

import functools
import json
import logging
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

# What `sam build` and `sam deploy` put in the place of Dockerfile and context.
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/eurusd-forecast:lambda"


@functools.cache
def read(path: str) -> str:
    """The file as JSON, with CloudFormation's functions in their long form."""
    return json.dumps(yaml_parse(Path(path).read_text()))


def translated(path: str, parameters: Mapping[str, str]) -> Any:
    """The template as CloudFormation translates it. AWS is not called: the template uses no managed policies."""
    from samtranslator.parser.parser import Parser  # takes a second, which reading alone does not need
    from samtranslator.translator.translator import Translator

    template = json.loads(read(path))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["ImageUri"] = IMAGE
    return Translator({}, Parser()).translate(template, parameter_values=parameters)


def answer(path: str, parameters: Mapping[str, str] | None) -> Any:
    return json.loads(read(path)) if parameters is None else translated(path, parameters)


def main() -> None:
    """Answer until standard input ends."""
    logging.disable()  # SAM warns of what only AWS itself could answer
    for line in sys.stdin:
        try:
            reply = answer(**json.loads(line))
        except Exception:  # noqa: BLE001  # whatever it is belongs into the test that asked
            reply = traceback.format_exc()
        print(json.dumps(reply), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
