"""What `make unguarded` may remove without a test that fails, each with the reason why that is left.

`python -m tests.survivors` prints the table of infra/SECURITY.md.
"""

import sys
from collections.abc import Iterator

# By the name that `make unguarded` prints.
SURVIVORS: dict[str, str] = {}


def rows() -> Iterator[str]:
    """The lines of a table in Markdown: what is removed, and why no test notices."""
    yield "| removed | why no test notices |"
    yield "|---|---|"
    for name, reason in SURVIVORS.items():
        file, _, text = name.partition(": ")
        code = text.replace("|", "\\|")
        yield f"| `{code}` in `{file}` | {reason} |"


if __name__ == "__main__":
    sys.stdout.writelines(f"{row}\n" for row in rows())
