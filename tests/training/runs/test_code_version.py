"""The version of the code changes with every file that a fit may depend on, wherever it is."""

import shutil
from pathlib import Path

import pytest

from training.runs.jobs import PACKAGES, ROOT, SUFFIXES, code_version

FOLDERS = sorted(
    {
        path.parent.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in SUFFIXES
    }
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clone = tmp_path_factory.mktemp("clone")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, clone / package)
    return clone


def test_a_copy_of_the_code_has_the_same_version(clone: Path) -> None:
    assert code_version(clone) == code_version()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_change_in_any_folder_is_another_version(folder: str, clone: Path) -> None:
    before = code_version(clone)
    for path in [path for path in sorted((clone / folder).iterdir()) if path.suffix in SUFFIXES][-1:]:
        data = path.read_bytes()
        path.write_bytes(data + b"\n")
        assert code_version(clone) != before, path
        path.write_bytes(data)
    assert code_version(clone) == before


def test_data_and_new_files_count_and_byte_code_does_not(clone: Path) -> None:
    before = code_version(clone)
    for name in ("training/models/events.csv", "training/prices/formats.toml"):
        data = (clone / name).read_bytes()
        (clone / name).write_bytes(data.replace(b"e", b"a", 1))
        assert code_version(clone) != before
        (clone / name).write_bytes(data)
    new = clone / "training/models/new.py"
    new.touch()
    assert code_version(clone) != before
    new.unlink()
    (clone / "training/models/__pycache__").mkdir(exist_ok=True)
    (clone / "training/models/__pycache__/new.cpython-311.pyc").write_bytes(b"x")
    assert code_version(clone) == before
