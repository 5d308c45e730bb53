"""The data directory is made, proved writable, and held by one `up` at a time."""

import os
from pathlib import Path

import pytest

from deploy.local import data_dir
from deploy.local.data_dir import DataDir, DataDirError


def test_it_is_made_and_its_holder_named(tmp_path: Path) -> None:
    with DataDir(str(tmp_path / "a" / "b")) as path:
        assert path == tmp_path / "a" / "b"
        assert (path / "up.lock").read_text() == str(os.getpid())


def test_a_second_holder_is_refused_with_the_first_ones_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_dir, "_PATIENCE", 0.0)
    with DataDir(str(tmp_path)), pytest.raises(DataDirError, match=rf"process {os.getpid()}\).*PUSHTOKENS_DATA_DIR"):
        DataDir(str(tmp_path)).__enter__()


def test_it_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with DataDir(str(tmp_path)):
            pass


def test_a_place_that_cannot_be_written_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataDirError, match=r"file/data cannot be written .*PUSHTOKENS_DATA_DIR"):
        DataDir(str(tmp_path / "file" / "data")).__enter__()
