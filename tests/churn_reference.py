"""The churn metrics once more, in plain Python: one record after the other, one day after the other, nothing clever.

Written from docs/churn.md, not from the SQL, and checked against it on random histories.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any

from msgspec import Struct

from processors.churn.filters import Filters

DAY_MS = 86_400_000
SLOTS = ("calls", "other")
Row = tuple[Any, ...]


class Record(Struct, frozen=True, kw_only=True):
    """One row of `reports`; absent is the empty text."""

    selector: str
    at: int
    offset: int
    kind: str = "report"
    origin: str = "app"
    calls_token: str = ""
    calls_app_id: str = ""
    other_token: str = ""
    other_app_id: str = ""
    install_id: str = ""
    username: str = ""
    user_agent: str = ""

    def token(self, slot: str) -> str:
        return self.calls_token if slot == "calls" else self.other_token

    def app_id(self, slot: str) -> str:
        return self.calls_app_id if slot == "calls" else self.other_app_id


class Step(Struct, frozen=True, kw_only=True):
    """What one record did to one slot."""

    at: int
    what: str
    token: str  # in the slot afterwards; empty after a removal
    app_id: str  # of that token, of a removal the one lost
    before: str  # the token before
    app_id_before: str

    @property
    def day(self) -> int:
        return self.at // DAY_MS


class Told(Struct, frozen=True, kw_only=True):
    """What a report that an app sent itself told."""

    day: int
    changed: bool
    app_ids: frozenset[str]
    reinstalled: bool
    rotated: bool


class History(Struct, frozen=True, kw_only=True):
    """A selector's history, read record by record."""

    selector: str
    platform: str
    steps: dict[str, list[Step]]
    reports: list[Told]

    @property
    def silence(self) -> int:
        return 270 if self.platform == "android" else 30


class _Slot:
    """The state of a slot while records pass."""

    def __init__(self) -> None:
        self.held = ""
        self.app_id = ""
        self.last = ""  # the last token reported, also after a removal
        self.touched = False
        self.steps: list[Step] = []

    def report(self, record: Record, token: str, app_id: str) -> str:
        imported = record.origin == "import"
        first, self.touched = not self.touched, True
        if imported and not first:
            return ""
        if imported:
            what = "imported"
        elif not self.last:
            what = "registered"
        elif not self.held:
            what = "returned"
        elif token != self.held:
            what = "rotated"
        else:
            app_id = app_id or self.app_id
            what = "unchanged" if app_id == self.app_id else "app_changed"
        before, app_id_before = self.held, self.app_id
        self.held, self.last, self.app_id = token, token, app_id
        self.steps.append(
            Step(at=record.at, what=what, token=token, app_id=app_id, before=before, app_id_before=app_id_before)
        )
        return what

    def empty(self, record: Record) -> None:
        if self.held:
            self.steps.append(
                Step(
                    at=record.at,
                    what="removed",
                    token="",
                    app_id=self.app_id,
                    before=self.held,
                    app_id_before=self.app_id,
                )
            )
        self.held = ""


def read(records: Iterable[Record]) -> list[History]:
    by_selector: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.kind == "report" or (record.kind == "removal" and record.origin != "import"):
            by_selector[record.selector].append(record)
    return [_history(name, sorted(found, key=lambda r: (r.at, r.offset))) for name, found in by_selector.items()]


def _history(selector: str, records: list[Record]) -> History:
    slots = {slot: _Slot() for slot in SLOTS}
    install = account = ""
    reports: list[Told] = []
    for record in records:
        if record.kind == "removal":
            _remove(slots, record)
        else:
            whats = {
                slot: slots[slot].report(record, record.token(slot), record.app_id(slot))
                for slot in SLOTS
                if record.token(slot)
            }
            if record.origin != "import":
                reports.append(
                    Told(
                        day=record.at // DAY_MS,
                        changed=any(what != "unchanged" for what in whats.values())
                        or (record.username not in ("", account)),
                        app_ids=frozenset(slots[slot].app_id for slot in whats),
                        reinstalled=bool(install) and record.install_id not in ("", install),
                        rotated="rotated" in whats.values(),
                    )
                )
        install = record.install_id or install
        account = record.username or account
    return History(
        selector=selector,
        platform=_platform(records),
        steps={slot: slots[slot].steps for slot in SLOTS},
        reports=reports,
    )


def _remove(slots: dict[str, _Slot], record: Record) -> None:
    named = {slot: record.token(slot) for slot in SLOTS}
    outdated = any(named[slot] and slots[slot].last and named[slot] != slots[slot].last for slot in SLOTS)
    for slot in SLOTS:
        slots[slot].touched = True
        if not outdated or (named[slot] and named[slot] == slots[slot].last):
            slots[slot].empty(record)


def _platform(records: list[Record]) -> str:
    platform = "unknown"
    for record in records:
        apple = any(word in record.user_agent for word in ("iPhone", "iPad", "iOS", "Darwin"))
        if apple or record.calls_app_id.endswith((".pushkit", ".voip")):
            return "ios"
        google = any(word in record.user_agent for word in ("Android", "okhttp", "Dalvik"))
        if google or (record.calls_token and record.calls_token == record.other_token):
            platform = "android"
    return platform


class Reference:
    """Answers a metric for filters, as rows in the order of the query."""

    def __init__(self, records: list[Record]) -> None:
        self._records = records
        self._histories = read(records)

    def rows(self, name: str, filters: Filters) -> list[Row]:
        found: list[Row] = getattr(self, f"_{name}")(filters)
        return found

    # -- who and when

    def _chosen(self, filters: Filters) -> Iterator[History]:
        return (h for h in self._histories if filters.platform in ("", h.platform))

    def _steps(self, filters: Filters) -> Iterator[tuple[History, str, int, Step]]:
        """Every step of the slots asked for, with its place in the slot's line."""
        for history in self._chosen(filters):
            for slot in SLOTS:
                if filters.slot in ("", slot):
                    for place, step in enumerate(history.steps[slot]):
                        yield history, slot, place, step

    # -- things that happened

    def _happened(self, filters: Filters) -> Iterator[tuple[str, date, str, str]]:
        """(what, day, slot, app id) of every slot event for these filters."""
        for history, slot, place, step in self._steps(filters):
            for what, day in _whats(history, slot, place, step):
                if filters.app_id in ("", step.app_id) and _inside(filters, day):
                    yield what, _date(day), slot, step.app_id

    def _count(self, filters: Filters, what: str) -> list[Row]:
        found = Counter((day, slot, app) for w, day, slot, app in self._happened(filters) if w == what)
        return [(*key, number) for key, number in sorted(found.items())]

    def _new(self, filters: Filters) -> list[Row]:
        return self._count(filters, "registered")

    def _rotated(self, filters: Filters) -> list[Row]:
        return self._count(filters, "rotated")

    def _removed(self, filters: Filters) -> list[Row]:
        return self._count(filters, "removed")

    def _flapping(self, filters: Filters) -> list[Row]:
        return self._count(filters, "flapped")

    def _daily(self, filters: Filters) -> list[Row]:
        found = Counter((day, slot, what) for what, day, slot, _ in self._happened(filters))
        columns = ("active", "registered", "returned", "rotated", "removed", "silent")
        return [
            (day, slot, *(found[day, slot, what] for what in columns))
            for day in _days(filters)
            for slot in SLOTS
            if filters.slot in ("", slot)
        ]

    def _by_day(self, filters: Filters, make: Callable[[Counter[str]], Row]) -> list[Row]:
        found: dict[date, Counter[str]] = defaultdict(Counter)
        for what, day, _, _ in self._happened(filters):
            found[day][what] += 1
        return [(day, *make(found[day])) for day in _days(filters)]

    def _joint_rotation(self, filters: Filters) -> list[Row]:
        return self._by_day(filters, lambda n: (n["rotated"], n["joint"], n["rotated"] - n["joint"]))

    def _removal_vs_silent(self, filters: Filters) -> list[Row]:
        return self._by_day(
            filters, lambda n: (n["removed"], n["silent"], _part(n["silent"], n["removed"] + n["silent"]))
        )

    def _resurrection(self, filters: Filters) -> list[Row]:
        return self._by_day(filters, lambda n: (n["returned"], n["woke"]))

    def _app_migration(self, filters: Filters) -> list[Row]:
        found: Counter[Row] = Counter()
        for _, slot, _, step in self._steps(filters):
            moved = step.what in ("rotated", "app_changed") and step.app_id and step.app_id_before
            fits = _inside(filters, step.day) and filters.app_id in ("", step.app_id, step.app_id_before)
            if moved and fits and step.app_id != step.app_id_before:
                found[_date(step.day), slot, step.app_id_before, step.app_id] += 1
        return [(*key, number) for key, number in sorted(found.items())]

    def _app_ids(self, filters: Filters) -> list[Row]:
        found = Counter(
            (slot, step.app_id)
            for _, slot, _, step in self._steps(filters)
            if step.what not in ("removed", "imported")
            and _inside(filters, step.day)
            and filters.app_id in ("", step.app_id)
        )
        return [(slot, app, n) for (slot, app), n in sorted(found.items(), key=lambda x: (x[0][0], -x[1], x[0][1]))]

    # -- reports of the selector

    def _reports(self, filters: Filters) -> Iterator[Told]:
        for history in self._chosen(filters):
            for told in history.reports:
                if _inside(filters, told.day) and (not filters.app_id or filters.app_id in told.app_ids):
                    yield told

    def _reinstall(self, filters: Filters) -> list[Row]:
        found = list(self._reports(filters))
        return [
            (
                day,
                sum(told.reinstalled for told in found if _date(told.day) == day),
                sum(told.reinstalled and told.rotated for told in found if _date(told.day) == day),
            )
            for day in _days(filters)
        ]

    def _redundancy(self, filters: Filters) -> list[Row]:
        reports: Counter[int] = Counter()
        unchanged: Counter[int] = Counter()
        if filters.slot:
            for _, _, _, step in self._steps(filters):
                if step.what not in ("removed", "imported") and filters.app_id in ("", step.app_id):
                    reports[step.day] += 1
                    unchanged[step.day] += step.what == "unchanged"
        else:
            for told in self._reports(filters):
                reports[told.day] += 1
                unchanged[told.day] += not told.changed
        return [
            (day, reports[n], unchanged[n], _part(unchanged[n], reports[n]))
            for day in _days(filters)
            for n in [_number(day)]
        ]

    # -- how many there are at the end of a day

    def _has(self, history: History, filters: Filters, state: Callable[[list[Step]], str | None]) -> bool:
        """Whether a slot asked for is in a state, under the app id asked for. `state`: the app id, or None if not."""
        for slot in SLOTS:
            if filters.slot in ("", slot):
                app = state(history.steps[slot])
                if app is not None and filters.app_id in ("", app):
                    return True
        return False

    def _active_selectors(self, filters: Filters) -> list[Row]:
        def active(history: History, day: int, width: int) -> bool:
            if not filters.slot and not filters.app_id:
                return any(day - width < told.day <= day for told in history.reports)
            return self._has(history, filters, lambda line: _newest_sent(line, day, width))

        return [
            (day, *(sum(active(h, _number(day), width) for h in self._chosen(filters)) for width in (1, 7, 30)))
            for day in _days(filters)
        ]

    def _reach(self, filters: Filters) -> list[Row]:
        rows: list[Row] = []
        for day in _days(filters):
            held = reachable = 0
            for history in self._chosen(filters):
                held += self._has(history, filters, partial(_held, day=_number(day)))
                fresh = partial(_reachable, day=_number(day), silence=history.silence)
                reachable += self._has(history, filters, fresh)
            rows.append((day, held, reachable, _part(reachable, held)))
        return rows

    def _stale_ratio(self, filters: Filters) -> list[Row]:
        rows: list[Row] = []
        for day in _days(filters):
            for slot in SLOTS:
                if filters.slot not in ("", slot):
                    continue
                held = stale = 0
                for history in self._chosen(filters):
                    app = _held(history.steps[slot], _number(day))
                    if app is not None and filters.app_id in ("", app):
                        held += 1
                        stale += _reachable(history.steps[slot], _number(day), history.silence) is None
                rows.append((day, slot, held, stale, _part(stale, held)))
        return rows

    def _missing_slot(self, filters: Filters) -> list[Row]:
        rows: list[Row] = []
        for day in _days(filters):
            holding = [
                {slot for slot in SLOTS if _held(history.steps[slot], _number(day)) is not None}
                for history in self._chosen(filters)
            ]
            selectors = sum(bool(slots) for slots in holding)
            for slot in SLOTS:
                if filters.slot in ("", slot):
                    missing = sum(bool(slots) and slot not in slots for slots in holding)
                    rows.append((day, slot, selectors, missing, _part(missing, selectors)))
        return rows

    # -- lives of tokens

    def _survival(self, filters: Filters) -> list[Row]:
        lives: dict[date, list[tuple[int, bool]]] = defaultdict(list)
        first = _monday(filters.from_day)
        for history, slot, place, step in self._steps(filters):
            if step.what not in ("imported", "registered", "returned", "rotated"):
                continue
            line = history.steps[slot]
            later = [s for s in line[place + 1 :] if s.what in ("rotated", "removed")]
            ended = bool(later)
            until = later[0].at if ended else line[-1].at
            app = later[0].app_id_before if ended else line[-1].app_id
            week = _monday(_date(step.day))
            if filters.app_id in ("", app) and first <= week <= filters.to_day:
                width = 7 * filters.weeks
                cohort = first if not width else first + timedelta(days=(week - first).days // width * width)
                lives[cohort].append(((until - step.at) // DAY_MS, ended))
        return [row for cohort in sorted(lives) for row in _kaplan_meier(cohort, lives[cohort])]

    def _token_sharing(self, filters: Filters) -> list[Row]:
        platforms = {history.selector: history.platform for history in self._histories}
        holders: dict[tuple[str, str], set[str]] = defaultdict(set)
        for record in self._records:
            if record.kind != "report" or not _inside(filters, record.at // DAY_MS):
                continue
            if filters.platform not in ("", platforms[record.selector]):
                continue
            for slot in SLOTS:
                if record.token(slot) and filters.slot in ("", slot) and filters.app_id in ("", record.app_id(slot)):
                    holders[slot, record.token(slot)].add(record.selector)
        found = Counter((slot, len(selectors)) for (slot, _), selectors in holders.items())
        return [(slot, selectors, tokens) for (slot, selectors), tokens in sorted(found.items())]

    def _token_handover(self, filters: Filters) -> list[Row]:
        platforms = {history.selector: history.platform for history in self._histories}
        uses: dict[tuple[str, str], dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
        for record in self._records:
            for slot in SLOTS:
                if record.kind == "report" and record.token(slot):
                    uses[slot, record.token(slot)][record.selector].append(record)
        found: dict[tuple[date, str], list[int]] = defaultdict(lambda: [0, 0])
        for (slot, _), by_selector in uses.items():
            lives = sorted(
                (min(r.at for r in rs), selector, max(r.at for r in rs)) for selector, rs in by_selector.items()
            )
            for place, (start, selector, _) in enumerate(lives):
                app = min((r.at, r.app_id(slot)) for r in by_selector[selector])[1]
                fits = filters.slot in ("", slot) and filters.app_id in ("", app)
                fits = fits and filters.platform in ("", platforms[selector]) and _inside(filters, start // DAY_MS)
                if place and fits:
                    still = any(last >= start for _, _, last in lives[:place])
                    found[_date(start // DAY_MS), slot][still] += 1
        return [(*key, *numbers) for key, numbers in sorted(found.items())]


def _whats(history: History, slot: str, place: int, step: Step) -> Iterator[tuple[str, int]]:
    """What a step counts as, and the day on which."""
    line = history.steps[slot]
    yield step.what, step.day
    following = line[place + 1] if place + 1 < len(line) else None
    previous = line[place - 1] if place else None
    if step.what == "rotated":
        rest = history.steps["other" if slot == "calls" else "calls"]
        if any(s.what == "rotated" and abs(s.at - step.at) <= 600_000 for s in rest):
            yield "joint", step.day
        turns = [s for s in line[:place] if s.what not in ("unchanged", "app_changed")]
        back = turns and turns[-1].what == "rotated" and turns[-1].before == step.token
        if back and step.at - turns[-1].at <= DAY_MS:
            yield "flapped", step.day
    if step.token and (following is None or following.day > step.day + history.silence):
        yield "silent", step.day + history.silence
    if step.token and previous is not None and previous.token and step.day > previous.day + history.silence:
        yield "woke", step.day
    sent = [s for s in line if s.what not in ("removed", "imported") and s.day == step.day]
    if sent and sent[-1] is step:
        yield "active", step.day


def _newest_sent(line: list[Step], day: int, width: int) -> str | None:
    sent = [s for s in line if s.what not in ("removed", "imported") and day - width < s.day <= day]
    return sent[-1].app_id if sent else None


def _held(line: list[Step], day: int) -> str | None:
    past = [s for s in line if s.day <= day]
    return past[-1].app_id if past and past[-1].token else None


def _reachable(line: list[Step], day: int, silence: int) -> str | None:
    past = [s for s in line if s.day <= day]
    return past[-1].app_id if past and past[-1].token and day - past[-1].day < silence else None


def _kaplan_meier(cohort: date, lives: list[tuple[int, bool]]) -> Iterator[Row]:
    survival = 1.0
    for age in sorted({age for age, _ in lives}):
        at_risk = sum(other >= age for other, _ in lives)
        ended = sum(gone for other, gone in lives if other == age)
        survival *= 1 - ended / at_risk
        yield cohort, age, at_risk, ended, survival


def same(ours: Row, theirs: Row) -> bool:
    """Equal, floats up to rounding."""
    return len(ours) == len(theirs) and all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(ours, theirs, strict=True)
    )


def _part(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _days(filters: Filters) -> list[date]:
    return [filters.from_day + timedelta(days=n) for n in range((filters.to_day - filters.from_day).days + 1)]


def _inside(filters: Filters, day: int) -> bool:
    return filters.from_day <= _date(day) <= filters.to_day


def _date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
