"""Runs in the environment of AWS's tools: `python translate.py TEMPLATE`, the parameters as JSON on standard input, the
translated template as JSON on standard output."""

import json
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

# What `sam build` and `sam deploy` put in the place of Dockerfile and context.
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/eurusd-forecast:lambda"


def main(template: str) -> None:
    """Translates as CloudFormation does, without asking AWS: the template uses none of AWS's managed policies."""
    parsed = yaml_parse(Path(template).read_text())
    for resource in parsed["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["ImageUri"] = IMAGE
    translated = Translator({}, Parser()).translate(parsed, parameter_values=json.load(sys.stdin))
    json.dump(translated, sys.stdout, indent=1)


if __name__ == "__main__":
    main(sys.argv[1])
