"""Checkpoints of an import: written in one step, read back, and one process at a time."""

from pathlib import Path

import pytest

from deploy.importing.progress import BusyError, Checkpoint, Counts, alone, load, path_of, save


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    path = path_of(str(tmp_path / "data"), "0" * 64)
    assert load(path) is None
    save(path, Checkpoint("tokens.csv", Counts(sent=5, bad=1, forgotten=2)))
    save(path, Checkpoint("tokens.csv", Counts(sent=6, bad=1, forgotten=2), finished=True))
    found = load(path)
    assert found is not None
    assert (found.counts.done, found.finished) == (9, True)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"file":1}'])
def test_a_broken_checkpoint_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    assert load(path) is None


def test_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "import" / "x.json"
    with alone(path), pytest.raises(BusyError), alone(path):
        pass
    with alone(path):
        pass
