"""The command of the server, which serves nothing here: its options, and where its processes work."""

import logging.config
import os
import signal
import socket
from pathlib import Path

import pytest

from lambda_fn.server import __main__ as command


@pytest.mark.parametrize(
    ("option", "taken", "refused"),
    [
        ("--port", ["0", "8080", "65535"], ["65536", "-1", "", "80.0", "\uff18\uff10", "\u0668\u0660"]),
        ("--processes", ["1", "256"], ["0", "257", "-1", "", "1.0", "\uff12"]),
        ("--refresh-every", ["0", "0.5"], ["-1", "nan", "inf", "a minute"]),
    ],
)
def test_an_option_takes_its_range(option: str, taken: list[str], refused: list[str]) -> None:
    parser = command.make_parser()
    for text in taken:
        parser.parse_args([option, text])
    for text in refused:
        with pytest.raises(SystemExit):
            parser.parse_args([f"{option}={text}"])


def test_the_server_leaves_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In which .env may lie; the store stays where it was."""
    folders: list[str] = []

    def serve(processes: int, listening: socket.socket) -> None:
        folders.append(os.getcwd())  # noqa: PTH109
        listening.close()

    monkeypatch.setattr(command, "_serve", serve)
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)
    monkeypatch.setattr(logging.config, "dictConfig", lambda config: None)
    (tmp_path / "store").mkdir()
    monkeypatch.setenv("STORE_DIR", "store")
    monkeypatch.chdir(tmp_path)
    assert command.main(["--port", "0", "--refresh-every", "0"]) == 0
    assert folders == ["/"]
    assert os.environ["STORE_DIR"] == str(tmp_path / "store")
