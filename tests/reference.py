"""The reference model: what the log means, in plain dictionaries, one rule after another (design.md section 5).

Written for reading, not for speed, and on purpose without anything of `processors`: every test that asks whether the
compactor is right compares it with this. `Reference.take` is fed the records of `reports` in log order per partition.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from schemas.partition import partition_of

SLOTS = ("calls", "other")


@dataclass
class Known:
    """What is known of one selector."""

    username: str | None = None
    username_since: int = 0
    slots: dict[str, dict[str, Any] | None] = field(default_factory=lambda: {"calls": None, "other": None})
    removed_at: dict[str, int | None] = field(default_factory=lambda: {"calls": None, "other": None})
    first_seen: int = 0
    last_seen: int = 0
    reason: str | None = None
    bound_to: str | None = None
    released_at: int = 0
    source: dict[str, Any] = field(default_factory=dict)

    @property
    def present(self) -> bool:
        """Whether it holds a pair, so that `latest` has it."""
        return any(self.slots.values())


@dataclass
class Reference:
    """The state of the whole topic, and everything that was ever said about it."""

    log_id: str
    partitions: int
    touch_interval: int = 86_400_000
    late_after: int = 5_000
    future_tolerance: int = 300_000
    known: dict[str, Known] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def take(self, partition: int, offset: int, appended_at: int, key: bytes | None, value: bytes | None) -> None:
        """One record of the log."""
        source = {"log_id": self.log_id, "partition": partition, "offset": offset}
        reason = self._wrong(partition, appended_at, key, value)
        if reason is not None:
            self.rejected.append({"reason": reason, "source": source})
            return
        assert value is not None
        report = json.loads(value)
        selector = report["selector"]
        kind, imported = report["kind"], report.get("origin", "app") == "import"
        known = self.known.get(selector)
        if known is not None and self._refused(known, report):
            self.rejected.append({"reason": "bound_to_other", "source": source})
            return
        late = appended_at - report["received_at"] > self.late_after
        if kind == "removal" and not imported:
            self._remove(selector, report, source, late)
        elif kind == "report" and imported:
            self._import(selector, report, source)
        elif kind == "report":
            self._report(selector, report, source, late)
        elif kind == "release" and report.get("origin", "app") == "operator":
            self._release(selector, report, source)

    def _refused(self, known: Known, report: dict[str, Any]) -> bool:
        """Whether the selector is bound, and this comes from an app of somebody else, or of nobody knows whom."""
        if report["kind"] not in ("report", "removal") or report.get("origin", "app") in ("import", "operator"):
            return False
        return known.bound_to is not None and (report.get("authenticated_username") or None) != known.bound_to

    def _release(self, selector: str, report: dict[str, Any], source: dict[str, Any]) -> None:
        known, to = self.known.get(selector), report.get("authenticated_username") or None
        if known is not None and known.bound_to != to:
            known.bound_to, known.source = to, source
            known.released_at = 0 if to else report["received_at"]

    def _wrong(self, partition: int, appended_at: int, key: bytes | None, value: bytes | None) -> str | None:
        try:
            report = json.loads(value) if value is not None else None
        except ValueError:
            report = None
        if not well_formed(report):
            return "invalid_record"
        assert report is not None
        if key is None or key != report["selector"].encode():
            return "key_mismatch"
        if report["received_at"] - appended_at > self.future_tolerance:
            return "received_in_future"
        if partition_of(key, self.partitions) != partition:
            return "wrong_partition"
        return None

    def _report(self, selector: str, report: dict[str, Any], source: dict[str, Any], late: bool) -> None:
        at = report["received_at"]
        known = self.known.get(selector)
        was_present = known is not None and known.present
        new = known if known is not None else Known()
        moved: list[tuple[str | None, str, Any]] = []
        former: str | None
        for slot in SLOTS:
            pair, old = report.get(slot), new.slots[slot]
            if pair is None:
                continue  # absent never overwrites
            if late and old is not None and at < old["since"]:
                continue  # history only
            removed_at = new.removed_at[slot]
            if late and removed_at is not None and at < removed_at:
                continue
            if change := put(new, slot, pair, at):
                moved.append((slot, change, old))
        if not was_present:
            if not moved:
                return
            new.username, new.username_since = report.get("username") or None, at
            new.first_seen = new.last_seen = at
            new.reason = None
        bound = self._bind(new, report)
        renamed = was_present and report.get("username") and report["username"] != new.username
        if renamed and not (late and at < new.username_since):
            former = new.username
            new.username, new.username_since = report["username"], at
            moved.append((None, "account_changed", former))
        self.known[selector] = new
        if moved or bound:
            new.last_seen = max(new.last_seen, at)
            new.source = source
        elif said_nothing_new(new, report) and at - new.last_seen >= self.touch_interval:
            new.last_seen = at
            new.source = source
        for where, change, old in moved:
            self._say(change, where, selector, new, old, report, source)

    def _import(self, selector: str, report: dict[str, Any], source: dict[str, Any]) -> None:
        known = self.known.get(selector)
        if known is None:
            self._report(selector, report | {"origin": "import"}, source, late=False)
            return
        if not known.present:
            return  # never a removed selector
        filled = [
            slot for slot in SLOTS if report.get(slot) and known.slots[slot] is None and known.removed_at[slot] is None
        ]
        named = known.username is None and bool(report.get("username"))
        if named:
            known.username = report["username"]
        for slot in filled:
            put(known, slot, report[slot], report["received_at"])
            self._say("registered", slot, selector, known, None, report, source)
        if named:
            self._say("account_changed", None, selector, known, None, report, source)
        if filled or named:
            known.source = source

    def _remove(self, selector: str, report: dict[str, Any], source: dict[str, Any], late: bool) -> None:
        at = report["received_at"]
        known = self.known.setdefault(selector, Known(source=source))
        if not known.present:
            before = (dict(known.removed_at), known.reason, known.bound_to)
            for slot in SLOTS:
                known.removed_at[slot] = max(known.removed_at[slot] or 0, at)
            known.reason = report.get("reason") or known.reason
            self._bind_removed(known, report)
            if before != (known.removed_at, known.reason, known.bound_to):
                known.source = source
            return
        named = {slot: report[slot]["token"] for slot in SLOTS if report.get(slot)}
        held = {slot: pair["token"] for slot, pair in known.slots.items() if pair}
        outdated = any(slot in held and held[slot] != token for slot, token in named.items())
        moved = self._bind(known, report)
        for slot in SLOTS:
            pair = known.slots[slot]
            if outdated and named.get(slot) != held.get(slot, object()):
                continue  # it names an older token than a slot's: it removes only what it names
            if pair is not None and late and at < pair["since"]:
                continue
            if pair is not None or known.removed_at[slot] is None or at > (known.removed_at[slot] or 0):
                moved = True
            known.slots[slot] = None
            # By log order it came after the pair, whatever the two clocks said: never before the pair's time.
            known.removed_at[slot] = max(known.removed_at[slot] or 0, at, pair["since"] if pair else 0)
            if pair is not None:
                self._say("removed", slot, selector, known, pair, report, source)
        if moved:
            known.source = source
        if not any(known.slots.values()):
            known.reason = report.get("reason") or None
            if known.reason == "forget":
                known.bound_to = None

    def _bind_removed(self, known: Known, report: dict[str, Any]) -> None:
        """An erasure leaves no name behind, and no log-out after it does; any other removal binds like a report."""
        if report.get("reason") == "forget":
            known.bound_to = None
        elif known.reason != "forget":
            self._bind(known, report)

    def _bind(self, known: Known, report: dict[str, Any]) -> bool:
        """Bind to the first account, unless its record was on its way since before the release of the one before."""
        if known.bound_to is not None or not binds(report) or report["received_at"] < known.released_at:
            return False
        known.bound_to, known.released_at = report["authenticated_username"], 0
        return True

    def _say(
        self,
        change: str,
        slot: str | None,
        selector: str,
        known: Known,
        old: Any,
        report: dict[str, Any],
        source: dict[str, Any],
    ) -> None:
        new = known.slots[slot] if slot else None
        was = old if slot else None
        self.changes.append(
            {
                "id": f"{source['log_id']}-{source['partition']}-{source['offset']}-{slot or 'account'}",
                "change": change,
                "slot": slot,
                "selector": selector,
                "username": known.username,
                "previous_username": old if slot is None else None,
                "token": new["token"] if new else None,
                "app_id": new["app_id"] if new else None,
                "previous_token": was["token"] if was else None,
                "previous_app_id": was["app_id"] if was else None,
                "previous_age_ms": max(0, report["received_at"] - was["since"]) if was else None,
                "changed_at": report["received_at"],
                "origin": report.get("origin", "app"),
            }
        )

    def latest(self) -> dict[str, dict[str, Any]]:
        """What `latest` must hold at the end: selector to what a reader cares for."""
        return {
            selector: {
                "username": known.username,
                "calls": known.slots["calls"],
                "other": known.slots["other"],
                "first_seen": known.first_seen,
                "last_seen": known.last_seen,
                "bound_to": known.bound_to,
                "source": known.source,
            }
            for selector, known in self.known.items()
            if known.present
        }

    def removals(self) -> dict[str, dict[str, Any]]:
        """What `removals` must hold at the end."""
        return {
            selector: {
                "calls_removed_at": known.removed_at["calls"],
                "other_removed_at": known.removed_at["other"],
                "reason": known.reason,
                "bound_to": known.bound_to,
                "source": known.source,
            }
            for selector, known in self.known.items()
            if not known.present
        }


def put(known: Known, slot: str, pair: dict[str, Any], at: int) -> str | None:
    """Put a pair into a slot; the name of the change, or None when it says nothing new."""
    old = known.slots[slot]
    app_id = pair.get("app_id") or None
    if old is None:
        known.slots[slot] = {"token": pair["token"], "app_id": app_id, "since": at, "rotations": 0}
        return "registered"
    if pair["token"] != old["token"]:
        rotations = old["rotations"] + 1
        known.slots[slot] = {"token": pair["token"], "app_id": app_id, "since": at, "rotations": rotations}
        return "rotated"
    if app_id and app_id != old["app_id"]:
        known.slots[slot] = {**old, "app_id": app_id}
        return "app_changed"
    return None


def binds(report: dict[str, Any]) -> bool:
    """Whether it comes from the app of an account that was authenticated."""
    return bool(report.get("authenticated_username")) and report.get("origin", "app") not in ("import", "operator")


def said_nothing_new(known: Known, report: dict[str, Any]) -> bool:
    """Whether a report repeats what is known, so that it counts as seeing the selector again."""
    for slot in SLOTS:
        pair, held = report.get(slot), known.slots[slot]
        if pair and (held is None or pair["token"] != held["token"]):
            return False
        if pair and held and pair.get("app_id") and pair["app_id"] != held["app_id"]:
            return False
    return not report.get("username") or bool(report["username"] == known.username)


def well_formed(report: Any) -> bool:
    """Whether a JSON value has the fields of a report with the right types (design.md section 4)."""

    def text(value: Any, least: int = 0) -> bool:
        return isinstance(value, str) and least <= len(value) <= 8192

    def pair(value: Any) -> bool:
        if not isinstance(value, dict) or not text(value.get("token"), 1):
            return False
        return value.get("app_id") is None or text(value["app_id"])

    if not isinstance(report, dict):
        return False
    required = {"schema_version", "id", "kind", "received_at", "selector", "username", "calls", "other"}
    if not required <= report.keys():
        return False
    numbers = (report["schema_version"], report["received_at"])
    if any(not isinstance(number, int) or isinstance(number, bool) for number in numbers):
        return False
    if report["schema_version"] < 1 or not 0 <= report["received_at"] <= 4_102_444_800_000:
        return False
    if not all(text(report[name], 1) for name in ("id", "kind", "selector")) or not text(
        report.get("origin", "app"), 1
    ):
        return False
    if not all(report[slot] is None or pair(report[slot]) for slot in SLOTS):
        return False
    if not text(report.get("authenticated_username", "")):
        return False
    optional = (report["username"], report.get("install_id"), report.get("user_agent"), report.get("reason"))
    return all(value is None or text(value) for value in optional)
