"""`make picture`: the chart of the forecast that is active in this clone, as a picture."""

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser import chromium
from tests.support.server_process import running

VIEW = {"width": 860, "height": 900}
SCALE = 1.5  # pixels of the picture to one of the view


def take(browser: Browser, address: str, target: Path) -> None:
    """The chart of the page at `address`, as a PNG."""
    page = browser.new_page(viewport={"width": VIEW["width"], "height": VIEW["height"]}, device_scale_factor=SCALE)
    page.goto(address)
    # Without the list of values, and without the mark of the day on which the picture is taken.
    marks = "#forecast details, #forecast .today, #forecast [fill^='url']"
    page.evaluate(f'document.querySelectorAll("{marks}").forEach(it => it.remove())')
    page.locator("#forecast").screenshot(path=target)
    page.close()


def main() -> None:
    asked = argparse.ArgumentParser("make picture", description="Save the chart of the active forecast as a PNG.")
    asked.add_argument("target", type=Path)
    target: Path = asked.parse_args().target
    found = chromium.find()
    if found is None:
        sys.exit(chromium.MISSING)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), {"STORE_DIR": str(Path.cwd())}) as server:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=list(chromium.FLAGS))
            take(browser, f"http://127.0.0.1:{server.port}/", target)
            browser.close()


if __name__ == "__main__":
    main()
