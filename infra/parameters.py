"""The parameters of template.yaml, as a deployment is given them."""

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


def find_faults(given: Mapping[str, str], known: Mapping[str, Parameter]) -> list[str]:
    """Return a sentence for each parameter that the template does not have, or whose value it does not take."""
    faults = []
    for name, value in given.items():
        if name not in known:
            nearest = difflib.get_close_matches(name, known, 1)
            fix = f"did you mean {nearest[0]}?" if nearest else "docs/operate.md lists all parameters"
            faults.append(f"{name}: not a parameter of template.yaml; {fix}")
        elif value != REQUIRED and known[name].allowed and value not in known[name].allowed:
            faults.append(f"{name}: {value!r} is not allowed; give one of {', '.join(known[name].allowed)}")
        elif value != REQUIRED and known[name].pattern and not re.search(known[name].pattern, value):
            faults.append(f"{name}: {value!r} does not match {known[name].pattern}; correct the value")
    return faults


def _facts(block: str) -> tuple[str, tuple[str, ...], str]:
    def value(key: str) -> str:
        found = re.search(rf"^    {key}: (.*)$", block, re.MULTILINE)
        return found[1].strip('"') if found else ""

    allowed = tuple(each.strip().strip('"') for each in value("AllowedValues").strip("[]").split(",") if each)
    return value("Default"), allowed, value("AllowedPattern")
