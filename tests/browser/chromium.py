"""The Chromium of this machine: its name, and how it is started."""

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = f"no {' or '.join(NAMES)}: install one (Debian: apt-get install chromium)"
# A container runs it as root, without a graphics card, and it must ask nobody for anything.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def find() -> str | None:
    """Its path, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)
