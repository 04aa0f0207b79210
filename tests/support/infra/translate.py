"""A process in the environment of AWS's tools that reads and translates templates.

Each line on standard input is a request in JSON: `path`, and `parameters` to translate the template. Each answer on
standard output is one line of JSON: the template, or a traceback as a string.
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

# `sam build` and `sam deploy` replace Dockerfile and context, and a folder, by such addresses.
CODE = "s3://aws-sam-cli-managed-default/release-check"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/eurusd-forecast:lambda"


@functools.cache
def read(path: str) -> str:
    """The file as JSON, with the long form of CloudFormation's functions."""
    return json.dumps(yaml_parse(Path(path).read_text()))


def translated(path: str, parameters: Mapping[str, str]) -> Any:
    """Translate the template as CloudFormation does. AWS is not called: the template uses no managed policies."""
    from samtranslator.parser.parser import Parser  # takes a second to import, and reading alone does not need it
    from samtranslator.translator.translator import Translator

    template = json.loads(read(path))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            is_image = resource["Properties"].get("PackageType") == "Image"
            resource["Properties"] |= {"ImageUri": IMAGE} if is_image else {"CodeUri": CODE}
    return Translator({}, Parser()).translate(template, parameter_values=parameters)


def answer(path: str, parameters: Mapping[str, str] | None) -> Any:
    return json.loads(read(path)) if parameters is None else translated(path, parameters)


def main() -> None:
    """Answer requests until standard input ends."""
    logging.disable()  # SAM warns of features that only AWS can look up
    for line in sys.stdin:
        try:
            reply = answer(**json.loads(line))
        except Exception:  # noqa: BLE001  # the test that made the request reports it
            reply = traceback.format_exc()
        print(json.dumps(reply), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
