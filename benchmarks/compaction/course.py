"""The course that every contender runs at one size: all selectors new, then mostly unchanged, state kept in between.

The rounds alternate, and each starts with another contender, so that no one always runs on the warmest machine. Each
result is checked: nobody is timed for work not done.
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.compaction.broker import Broker, Survey
from benchmarks.compaction.contender import Contender
from benchmarks.compaction.race import FailedError, Run, race
from benchmarks.compaction.reports import Fleet
from benchmarks.compaction.spec import Spec
from deploy.local.ports import free_port
from schemas.settings import Kafka, Settings
from schemas.topics import Topics, topics

Say = Callable[[str], None]
Results = dict[str, list[Run]]


class Plan(Struct, frozen=True, kw_only=True):
    """How much to run: rounds, selectors, records of the second mix and the part of them that changes, partitions."""

    rounds: int
    selectors: int
    mixed: int
    changed: float = 0.05
    partitions: int = 4
    seed: int = 20261124


class Course:
    """One size: its topic, its contenders, and what they have kept."""

    def __init__(self, broker: Broker, contenders: Sequence[Contender], plan: Plan, work: Path, say: Say) -> None:
        self.plan = plan
        self.broker = broker
        self.work = work
        self.fleet = Fleet(plan.selectors, plan.seed)
        self._name = f"bench-{os.getpid()}-{plan.selectors}"  # a former run on the same Kafka may have left topics
        self.reports = f"{self._name}.reports"
        self.log_id = ""
        self._contenders = contenders
        self._say = say
        self._kept: dict[str, Spec] = {}
        self.failures: list[str] = []

    def load(self) -> None:
        """Create the topic and write one report of each selector."""
        spec = self._topics(self._name).reports
        self.broker.create([spec])
        self.log_id = self.broker.topic_id(self.reports)
        self.broker.load(self.reports, self.fleet.first())

    def new(self) -> Results:
        """Every selector is new: each round starts from nothing; the last round's state is kept."""
        results: Results = defaultdict(list)
        for number, contender in self._rounds(self._contenders):
            last = number == self.plan.rounds - 1
            goal = self.plan.selectors
            # What goes on to the second mix needs all selectors; where that would take minutes, it stays behind.
            if contender.most and not (last and goal <= 100_000):
                goal = min(goal, contender.most)
            specs = self._fresh(contender, number, goal)
            done = self._run("new", contender, specs, results) and self._holds(contender, specs[0], goal)
            if done and last and contender.workers == 1 and goal == self.plan.selectors:
                self._kept[contender.name] = specs[0]
            else:
                self._drop(specs)
        return results

    def mixed(self) -> Results:
        """Known selectors, 95 % unchanged: each round appends records that all contenders read, each from its state."""
        results: Results = defaultdict(list)
        fit = [contender for contender in self._contenders if contender.name in self._kept]
        loaded = -1
        for number, contender in self._rounds(fit):
            if number != loaded:
                self.broker.load(self.reports, self.fleet.later(self.plan.mixed, self.plan.changed))
                loaded = number
            self._run("mixed", contender, [self.renewed(contender)], results)
        self._check_equal(fit)
        return results

    def renewed(self, contender: Contender) -> Spec:
        """The kept worker's spec with all that its group has not read yet."""
        spec = self._kept[contender.name]
        behind = sum(self.broker.ends(self.reports)) - sum(
            self.broker.committed(spec.group, self.reports, spec.partitions)
        )
        return msgspec.structs.replace(spec, remaining=behind)  # its lookup port names its store's directory

    def kept(self, name: str) -> bool:
        """Whether a contender has come through with all selectors."""
        return name in self._kept

    def close(self) -> None:
        """Delete what the course has written."""
        for spec in self._kept.values():
            self._drop([spec])
        self._kept.clear()
        self.broker.delete(self._name)

    def _rounds(self, contenders: Sequence[Contender]) -> Iterator[tuple[int, Contender]]:
        for number in range(self.plan.rounds):
            shift = number % max(len(contenders), 1)
            for contender in (*contenders[shift:], *contenders[:shift]):
                yield number, contender

    def _run(self, mix: str, contender: Contender, specs: Sequence[Spec], results: Results) -> bool:
        """One race. A contender that fails is noted and counts as failed; the others go on."""
        try:
            self._note(mix, contender, race(self.broker, contender, specs, self.work), results)
        except FailedError as error:
            self._fail(f"{mix} {self.plan.selectors:,} {contender.name}: {error}")
            return False
        return True

    def _fail(self, text: str) -> None:
        self.failures.append(text)
        self._say(f"  FAILED {text}")

    def _note(self, mix: str, contender: Contender, run: Run, results: Results) -> None:
        results[contender.name].append(run)
        micros = run.cpu_seconds / run.records * 1e6
        self._say(
            f"  {mix:5} {self.plan.selectors:>9,}  {contender.name:24} {run.rate:>9,.0f}/s  "
            f"({run.records:,} in {run.seconds:.2f} s; {micros:.1f} us CPU/record; "
            f"start {run.start_seconds:.1f} s; peak {run.peak_mib:.0f} MiB)"
        )

    def _fresh(self, contender: Contender, number: int, goal: int) -> list[Spec]:
        prefix = f"{self._name}-{contender.name}-{number}"
        written = self._topics(prefix)
        outputs = [written.changes]
        if contender.module == "ours":
            outputs += [written.latest, written.removals, written.rejected]
        if contender.keeps:
            self.broker.create(outputs)
        specs = []
        for worker in range(contender.workers):
            directory = self.work / f"{prefix}-{worker}"
            directory.mkdir(parents=True)
            specs.append(
                Spec(
                    bootstrap=self.broker.bootstrap,
                    reports=self.reports,
                    prefix=prefix,
                    group=f"{prefix}-group",
                    log_id=self.log_id,
                    partitions=self.plan.partitions,
                    data_dir=str(directory),
                    store=contender.store,
                    remaining=goal,
                    stamp=str(self.work / f"{prefix}-{worker}"),
                    gate=str(self.work / f"{prefix}.gate") if contender.module == "ours" else "",
                    lookup_port=free_port() if contender.module == "ours" else 0,
                    exactly_once=contender.exactly_once,
                    processes=contender.processes,
                )
            )
        return specs

    def _drop(self, specs: Sequence[Spec]) -> None:
        for spec in specs:
            shutil.rmtree(spec.data_dir, ignore_errors=True)
        self.broker.delete(f"{specs[0].prefix}.")
        self.broker.delete(f"{specs[0].group}-")
        self.broker.delete(f"changelog__{specs[0].group}--")

    def _survey(self, contender: Contender, spec: Spec) -> Survey:
        topic, key_of = contender.state_topic(self.broker, spec)
        return self.broker.survey(topic, key_of)

    def _holds(self, contender: Contender, spec: Spec, goal: int) -> bool:
        """Whether all selectors are in the state, and each has brought a change per slot."""
        if not contender.keeps:
            return True
        found = self._survey(contender, spec).keys
        changes = self.broker.count(f"{spec.prefix}.changes")
        if found < goal or changes < 2 * goal:
            self._fail(f"{contender.name}: {found:,} selectors and {changes:,} changes after {goal:,} reports")
        return found >= goal and changes >= 2 * goal

    def _check_equal(self, contenders: Sequence[Contender]) -> None:
        """All contenders that keep a state hold the same one."""
        found = {each.name: self._survey(each, self._kept[each.name]) for each in contenders if each.keeps}
        states = {(survey.keys, survey.digest) for survey in found.values()}
        self._say(
            f"  state after both mixes: {', '.join(f'{keys:,} selectors, digest {digest}' for keys, digest in states)}"
        )
        if len(states) > 1 or any(survey.keys != self.plan.selectors for survey in found.values()):
            self._fail(f"the contenders do not hold the same state: {found}")

    def _topics(self, prefix: str) -> Topics:
        return topics(
            Settings(
                partitions=self.plan.partitions,
                replication_factor=1,
                kafka=Kafka(bootstrap=self.broker.bootstrap, topic_prefix=prefix),
            )
        )
