"""What the facts mean, and the cure: pure, so that every fault has a test."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from deploy.checkup.facts import ClickHouseFacts, Group, KafkaFacts, Newest, Replicas
from deploy.checkup.finding import Disk, Finding, Verdict

LATE_SECONDS: Final = 60.0  # as the alert TableBehind
# Report and append times are compared with each other (`compact.late_after` is 5 s), so a second is worth knowing.
SKEW_NOTE: Final = 1.0
SKEW_FAIL: Final = 5.0
DISK_NOTE: Final = 2_000_000_000  # jars, four partitions' segments and ClickHouse's merges want room
DISK_FAIL: Final = 200_000_000  # a batch, a merge or a segment may not fit any more
_SET_CLOCK: Final = "let all machines take the time from the same servers (chrony or systemd-timesyncd)"


def judge_kafka(facts: KafkaFacts, late_after: float) -> Iterator[Finding]:
    """Replicas, groups, clocks, disks. `late_after`: seconds, the compactor's setting."""
    yield from judge_replicas(facts.replicas)
    for group in facts.groups:
        yield judge_group(group, facts.now)
    yield judge_broker_clock(facts.newest, facts.now, late_after)
    for disk in facts.disks:
        cure = "a broker without room ends: enlarge it, or shorten retention.ms of push-token.reports"
        yield judge_disk(f"kafka disk {disk.name}", disk, cure)


def judge_replicas(replicas: Sequence[Replicas]) -> Iterator[Finding]:
    """Partitions without a leader, or with too few replicas to be written to, or with fewer than they should have."""
    unled = [one for one in replicas if not one.led]
    thin = [one for one in replicas if one.led and one.in_sync < one.needed]
    partly = [one for one in replicas if one.led and one.needed <= one.in_sync < one.replicas]
    if unled:
        yield Finding("replicas", "fail", f"{_named(unled)}: no leader: start the brokers that hold them")
    if thin:
        cure = "too few replicas in sync to be written to (503): start the missing brokers, or look at their disks"
        yield Finding("replicas", "fail", f"{_named(thin)}: {cure}")
    if partly:
        yield Finding("replicas", "note", f"{_named(partly)}: not all replicas in sync: a broker is away or behind")


def _named(found: Sequence[Replicas]) -> str:
    topics = Counter(one.topic for one in found)
    return "partitions of " + ", ".join(f"{topic} ({number})" for topic, number in sorted(topics.items()))


def judge_group(group: Group, now: float) -> Finding:
    """The log it stands on, its members, and how far behind it is."""
    check, start = f"{group.role} group", f"`pushtokens {group.role}`"
    if group.trouble:
        return Finding(check, "fail", f"{group.name}: {group.trouble}")
    waited = 0.0 if group.oldest is None else max(0.0, now - group.oldest)
    behind = f"{records(group.lag)} behind, the oldest for {span(waited)}" if group.lag else "nothing waits"
    if not group.members:
        verdict: Verdict = "fail" if waited > LATE_SECONDS else "note"
        return Finding(check, verdict, f"{group.name}: {behind}; nobody is at work: start {start}")
    if waited > LATE_SECONDS:
        cure = f"its log says why; if it works at full speed, start another {start} (up to the partition count)"
        return Finding(check, "fail", f"{group.name}: {behind}: {cure}")
    return Finding(check, "ok", f"{group.name}: {behind}, members: {group.members}")


def judge_broker_clock(newest: Sequence[Newest], now: float, late_after: float) -> Finding:
    """Brokers against this machine and against the ingresses, as far as the newest records show it.

    A record cannot have been taken after now, nor before it was received. A clock that is wrong the other way looks
    like a record that is old, and cannot be told from one.
    """
    if not newest:
        return Finding("clock of kafka", "note", "no report yet by whose time it could be told")
    ahead = max(each.appended for each in newest) - now
    early = max((each.received - each.appended for each in newest if each.received is not None), default=0.0)
    if ahead > SKEW_NOTE:
        text = f"a broker is {span(ahead)} ahead of this machine: {_SET_CLOCK}"
        return Finding("clock of kafka", "fail" if ahead > SKEW_FAIL else "note", text)
    if early > SKEW_NOTE:
        text = f"an ingress is {span(early)} ahead of its broker (with 5 min its reports are rejected): {_SET_CLOCK}"
        return Finding("clock of kafka", "fail" if early > SKEW_FAIL else "note", text)
    slow = min((each.appended - each.received for each in newest if each.received is not None), default=0.0)
    if slow > late_after:
        text = (
            f"Kafka took the newest reports {span(slow)} after they came: it was away, or an ingress' clock is behind"
        )
        return Finding("clock of kafka", "note", f"{text}; if so, {_SET_CLOCK}")
    return Finding("clock of kafka", "ok", "not ahead of this machine, nor behind an ingress")


def judge_clickhouse(facts: ClickHouseFacts) -> Iterator[Finding]:
    """Clock, disks, replicas that take nothing."""
    ahead = abs(facts.ahead) - facts.doubt
    where = "ahead of" if facts.ahead > 0 else "behind"
    text = f"{span(abs(facts.ahead))} {where} this machine"
    if ahead > SKEW_NOTE:
        yield Finding("clock of clickhouse", "fail" if ahead > SKEW_FAIL else "note", f"{text}: {_SET_CLOCK}")
    else:
        yield Finding("clock of clickhouse", "ok", text)
    for disk in facts.disks:
        yield judge_disk(
            f"clickhouse disk {disk.name}",
            disk,
            "drop old partitions, set PUSHTOKENS_CLICKHOUSE_TTL_DAYS, or enlarge it",
        )
    if facts.read_only:
        text = f"{', '.join(facts.read_only)}: read-only replicas; is ClickHouse Keeper up? (SYSTEM RESTORE REPLICA)"
        yield Finding("clickhouse replicas", "fail", text)


def judge_disk(check: str, disk: Disk, cure: str) -> Finding:
    """Whether there is room, by what is free."""
    if disk.total == 0:  # an object store says 0 of 0
        return Finding(check, "ok", "has no limit")
    text = f"{disk.free / 1e9:.1f} of {disk.total / 1e9:.0f} GB free"
    if disk.free >= DISK_NOTE:
        return Finding(check, "ok", text)
    return Finding(check, "fail" if disk.free < DISK_FAIL else "note", f"{text}: {cure}")


def records(number: int) -> str:
    """`1 record`, `2 records`."""
    return f"{number:,} record{'' if number == 1 else 's'}"


def span(seconds: float) -> str:
    """A length of time for people: `0.3 s`, `12 s`, `3 min`, `5 h`, `2 d`."""
    for unit, name, limit in ((1, "s", 180), (60, "min", 7200), (3600, "h", 172800)):
        if seconds < limit:
            return f"{seconds / unit:.1f} {name}" if seconds / unit < 10 else f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86400:.0f} d"
