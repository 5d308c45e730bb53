"""The jar cache: pinned, checked, resumed, and plain about what is wrong."""

import hashlib
import os
from pathlib import Path

import pytest

from deploy.local import jars
from deploy.local.jars import Jar, JarsError, ensure, jars_dir, missing, pinned

CONTENT = {f"org.example:part{number}:1.0": bytes([number]) * (100 + number) for number in range(8)}


class Repository:
    """Stands in for jgo: what it gives, how often it fails first, what it was asked for."""

    def __init__(self, content: dict[str, bytes], failures: int = 0) -> None:
        self.content = content
        self.failures = failures
        self.asked: list[str] = []

    def resolve(self, download: "jars._Download", jar: Jar, attempt: int) -> Path:
        self.asked.append(jar.coordinate)
        if attempt <= self.failures or jar.coordinate not in self.content:
            raise ConnectionError("no route")
        found = download._staging / f"{jar.name}.{attempt}"
        found.write_bytes(self.content[jar.coordinate])
        return found


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> tuple[Jar, ...]:
    made = tuple(Jar(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENT.items())
    monkeypatch.setattr(jars, "pinned", lambda: made)
    monkeypatch.setattr(jars, "_RETRY_SECONDS", 0.001)
    return made


def serve(monkeypatch: pytest.MonkeyPatch, repository: Repository) -> Repository:
    def resolve(download: "jars._Download", jar: Jar, attempt: int) -> Path:
        return repository.resolve(download, jar, attempt)

    monkeypatch.setattr(jars._Download, "_resolve", resolve)  # a plain function, so that it becomes a method
    return repository


def test_the_pins_are_kafka_4_4_0_its_log_binding_and_its_tools() -> None:
    names = [jar.name for jar in pinned()]
    assert len(names) == len(set(names)) == 46
    assert {"kafka_2.13-4.4.0.jar", "kafka-tools-4.4.0.jar", "log4j-slf4j-impl-2.25.5.jar"} <= set(names)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in pinned())


def test_the_default_place_is_under_the_users_cache() -> None:
    assert jars_dir() == Path("~/.cache/push-token-pipeline/kafka-4.4.0").expanduser()
    assert jars_dir("/elsewhere") == Path("/elsewhere/kafka-4.4.0")


def test_the_first_time_everything_is_fetched_and_shown(
    tmp_path: Path, pins: tuple[Jar, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, Repository(CONTENT))
    seen: list[tuple[int, int]] = []
    path = ensure(tmp_path / "kafka", lambda done, total: seen.append((done, total)))
    assert [file.read_bytes() for file in path] == list(CONTENT.values())
    assert seen[0] == (0, sum(len(data) for data in CONTENT.values()))
    assert [left.name for left in tmp_path.iterdir()] == ["kafka"]


def test_what_is_there_is_not_fetched_again(
    tmp_path: Path, pins: tuple[Jar, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, Repository(CONTENT))
    ensure(tmp_path)
    second = serve(monkeypatch, Repository(CONTENT))
    ensure(tmp_path)
    assert second.asked == []


@pytest.mark.parametrize("left", [b"", b"\x03" * 50, b"\x04" * 103], ids=["empty", "half", "changed"])
def test_a_jar_that_is_not_whole_is_fetched_again(
    tmp_path: Path, pins: tuple[Jar, ...], monkeypatch: pytest.MonkeyPatch, left: bytes
) -> None:
    serve(monkeypatch, Repository(CONTENT))
    ensure(tmp_path)
    (tmp_path / pins[3].name).write_bytes(left)
    assert missing(tmp_path) == [pins[3]]
    second = serve(monkeypatch, Repository(CONTENT))
    ensure(tmp_path)
    assert second.asked == [pins[3].coordinate]
    assert missing(tmp_path) == []


def test_without_a_network_the_message_says_what_to_do_and_finished_files_stay(
    tmp_path: Path, pins: tuple[Jar, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = dict(list(CONTENT.items())[:5])
    serve(monkeypatch, Repository(reached))
    with pytest.raises(JarsError) as caught:
        ensure(tmp_path / "kafka")
    for word in ("HTTPS_PROXY", "PUSHTOKENS_LOCAL_CACHE_DIR", "PUSHTOKENS_KAFKA_BOOTSTRAP", str(tmp_path / "kafka")):
        assert word in str(caught.value)
    serve(monkeypatch, Repository(CONTENT))
    assert len(missing(tmp_path / "kafka")) < len(CONTENT)
    ensure(tmp_path / "kafka")
    assert missing(tmp_path / "kafka") == []


def test_a_passing_failure_is_tried_again(
    tmp_path: Path, pins: tuple[Jar, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, Repository(CONTENT, failures=2))
    ensure(tmp_path)
    assert missing(tmp_path) == []


def test_a_changed_jar_is_refused(tmp_path: Path, pins: tuple[Jar, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    bad = pins[2]
    serve(monkeypatch, Repository(CONTENT | {bad.coordinate: b"\xff" * bad.size}))
    with pytest.raises(JarsError, match=f"{bad.coordinate} as downloaded differs"):
        ensure(tmp_path)
    assert not (tmp_path / bad.name).exists()


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, pins: tuple[Jar, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, Repository(CONTENT))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JarsError, match="PUSHTOKENS_LOCAL_CACHE_DIR"):
        ensure(tmp_path / "file" / "kafka")


def test_what_a_killed_download_left_is_swept_away(
    tmp_path: Path, pins: tuple[Jar, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, running = tmp_path / ".download-old", tmp_path / ".download-running"
    for left in (old, running):
        left.mkdir()
        (left / "half.jar").write_bytes(b"x")
    os.utime(old, (0, 0))
    serve(monkeypatch, Repository(CONTENT))
    ensure(tmp_path / "kafka")
    assert not old.exists()
    assert running.exists()
