"""The parameters of template.yaml, as a deployment sets them."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

REQUIRED = "required"  # value in samconfig.toml of a parameter that a stage must be given


class Parameter(NamedTuple):
    """The default of a parameter ("" without one), and what its values must match."""

    default: str
    allowed: tuple[str, ...]
    pattern: str


def template_parameters(template: str) -> dict[str, Parameter]:
    """Return the parameters of a template in YAML by name."""
    section = re.split(r"^(?=\S)", template.partition("\nParameters:\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    blocks = re.findall(r"^  (\w+):\n((?:    .*\n)+)", section, re.MULTILINE)
    return {name: Parameter(*_facts(block)) for name, block in blocks}


def parse_parameters(texts: Sequence[str]) -> dict[str, str]:
    """Parse texts of the form Name=Value."""
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def find_faults(values: Mapping[str, str], parameters: Mapping[str, Parameter]) -> list[str]:
    """Return a sentence for each parameter that the template does not have, or whose value it does not take."""
    faults = []
    for name, value in values.items():
        if name not in parameters:
            nearest = difflib.get_close_matches(name, parameters, 1)
            fix = f"did you mean {nearest[0]}?" if nearest else "docs/operate.md lists all parameters"
            faults.append(f"{name}: not a parameter of template.yaml; {fix}")
        elif value != REQUIRED and parameters[name].allowed and value not in parameters[name].allowed:
            faults.append(f"{name}: {value!r} is not allowed; give one of {', '.join(parameters[name].allowed)}")
        elif value != REQUIRED and parameters[name].pattern and not re.search(parameters[name].pattern, value):
            faults.append(f"{name}: {value!r} does not match {parameters[name].pattern}; correct the value")
    return faults


def _facts(block: str) -> tuple[str, tuple[str, ...], str]:
    def value(key: str) -> str:
        match = re.search(rf"^    {key}: (.*)$", block, re.MULTILINE)
        return match[1].strip('"') if match else ""

    allowed = tuple(text.strip().strip('"') for text in value("AllowedValues").strip("[]").split(",") if text)
    return value("Default"), allowed, value("AllowedPattern")
