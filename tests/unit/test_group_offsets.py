"""Committed offsets: "not yet" is asked again within a deadline, and nothing else is."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    NotCoordinatorForGroupError,
)

from processors import group_offsets
from processors.group_offsets import GroupOffset, GroupOffsets


class _Admin:
    """Fails as told, one error a question, then answers."""

    def __init__(self, *errors: type[KafkaError]) -> None:
        self.errors = list(errors)
        self.asked = 0
        self._client = self

    async def find_coordinator(self, group: str) -> int:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)()
        return 0

    async def send(self, coordinator: int, request: Any) -> Any:
        return SimpleNamespace(error_code=0, topics=[("t", [(3, 42, "mark", 0)])])


def _offsets(admin: _Admin, monkeypatch: pytest.MonkeyPatch) -> GroupOffsets:
    monkeypatch.setattr(group_offsets, "AIOKafkaAdminClient", lambda **_: admin)
    monkeypatch.setattr(group_offsets, "_RETRY_SECONDS", 0.001)
    return GroupOffsets({}, "g", "t")


async def test_a_fresh_cluster_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = _Admin(GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError, KafkaConnectionError)
    assert await _offsets(admin, monkeypatch).committed(3) == GroupOffset(42, "mark")
    assert admin.asked == 4


async def test_a_refusal_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = _Admin(GroupAuthorizationFailedError)
    with pytest.raises(GroupAuthorizationFailedError):
        await _offsets(admin, monkeypatch).committed(3)
    assert admin.asked == 1


async def test_the_deadline_holds_and_the_reason_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_offsets, "REQUEST_SECONDS", 0.05)
    admin = _Admin(*[GroupCoordinatorNotAvailableError] * 10_000)
    with pytest.raises(GroupCoordinatorNotAvailableError):
        await _offsets(admin, monkeypatch).committed(3)
    assert 1 < admin.asked < 100
