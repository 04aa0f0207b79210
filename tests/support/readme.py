"""The README and the documents behind it: their blocks of code and their commands."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
ALL = "\n".join((README, *DOCUMENTS.values()))


def blocks(language: str, text: str = ALL) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands() -> list[str]:
    """Every command of the console blocks and of the text, without its comment."""
    shown = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    inline = re.findall(r"`((?:make|eurusd(?= [a-z])|python -m) [^`]+)`", ALL)
    return [command.partition("  #")[0].strip() for command in (*shown, *inline)]
