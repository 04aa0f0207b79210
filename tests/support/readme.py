"""The README: its blocks of code and its commands."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    """Every command of the console blocks and of the text, without its comment."""
    shown = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    inline = re.findall(r"`((?:make|python -m) [^`]+)`", README)
    return [command.partition("  #")[0].strip() for command in (*shown, *inline)]
