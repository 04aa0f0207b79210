"""Whatever the OpenAPI document allows and does not is asked of a real server, and its answers are as it says.

By Schemathesis, with all of its checks but one: that what the schema allows is accepted. What a schema cannot say (the
number of closes a champion wants, parameters that exclude each other) is refused with field and cure.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import foreign, page_store
from tests.support.server_process import Server, running

SEED = 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a champion, a live record and a backtest."""
    folder = tmp_path_factory.mktemp("schema")
    page_store.fill(folder / "store", foreign.AS_OF, scored=30)
    with running(folder, {"STORE_DIR": str(folder / "store")}, "--refresh-every", "0") as found:
        yield found
        assert "Traceback" not in found.log.read_text()


@pytest.mark.parametrize(
    ("examples", "phases"),
    [
        ("5", "coverage,fuzzing"),
        pytest.param("40", "examples,coverage,fuzzing,stateful", marks=pytest.mark.long),
    ],
)
def test_the_server_is_as_its_document_says(examples: str, phases: str, server: Server, tmp_path: Path) -> None:
    """`examples` is the number for each operation."""
    command = Path(sys.executable).with_name("schemathesis")
    options = ["--checks", "all", "--exclude-checks", "positive_data_acceptance", "--no-color"]
    limits = ["--max-examples", examples, "--phases", phases, "--seed", str(SEED)]
    address = f"http://127.0.0.1:{server.port}/openapi.json"
    done = subprocess.run([command, "run", address, *options, *limits], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6_000:]
    assert "Tested: " in done.stdout
