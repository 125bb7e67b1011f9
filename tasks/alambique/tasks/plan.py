"""What a job would take: parameters and MACs of its networks, bytes of its cache."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from alambique.models import shapes
from alambique.models.comparing import check_comparable
from alambique.models.configs import Config
from alambique.models.counts import count
from alambique.spec.errors import AlambiqueError, BadSpec
from alambique.spec.faults import refuse
from alambique.spec.job import Job
from alambique.spec.objective import layered
from alambique.spec.outputs import Output
from alambique.spec.sources import Architecture, Source, source_of, written
from alambique.spec.space import alone, combined, laid_over, needs_outputs
from alambique.spec.teachers import Teaching
from alambique.tasks.all import find
from alambique.tasks.catalogue import dataset
from alambique.tasks.data import Splits
from alambique.tasks.goals import bad_goals

ConfigOf = Callable[[Source], Config]
"""From a model that is not from scratch to the fields of its config.json."""

_FLOAT = 4
"""Bytes of a float32."""
_PER_EXAMPLE = 40
"""Bytes that the cache keeps of an example beside its outputs: key, row, index."""


@dataclass(frozen=True, slots=True)
class Macs:
    """Multiply-accumulates for one text of `train.max_length` tokens; see `models.counts`."""

    linear: int
    full: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a network."""

    parameters: int
    macs: Macs


@dataclass(frozen=True, slots=True)
class CandidateCost(Cost):
    """Of a model that may become the teacher."""

    model: str
    """In words, as the job names it."""
    runs: int
    """How often it is fine-tuned."""


@dataclass(frozen=True, slots=True)
class TeacherCost(Cost):
    """Of one of several teachers."""

    name: str
    """What it is called in the job: teacher, teacher-2, …"""


@dataclass(frozen=True, slots=True)
class CacheCost:
    """Of the outputs of all teachers."""

    bytes: int | None
    """None where the data is not at hand."""
    why: str | None
    """Why it is None."""


@dataclass(frozen=True, slots=True)
class SearchCost:
    """Of a search, if no trial were stopped early."""

    trials: int
    """At most."""
    concurrent: int
    """How many run at once."""
    epochs: int
    """Of all trials together, at most."""
    student: Cost
    """Of the student that computes most, as far as values were combined to find it."""
    macs: int | None
    """Of training, about: three times those of that student, for each example and epoch (once
    there, twice back). None where the data is not at hand."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job would take."""

    teacher: Cost
    """Of candidates, the one that computes most; of several teachers, the first."""
    student: Cost
    """As it is cut from that one."""
    cache: CacheCost
    candidates: tuple[CandidateCost, ...] = ()
    """Of all teachers; empty where each is one model that is trained once, or not at all."""
    teachers: tuple[TeacherCost, ...] = ()
    """Each of several; empty where there is one."""
    search: SearchCost | None = None

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return asdict(self)

    def disk_bytes(self, copies: int, *, kept: int, runs: Mapping[int, int]) -> int:
        """Roughly what the job writes: networks and its cache.

        Args:
            copies: how often a network's weights are there while it is trained.
            kept: how often those of a run of fine-tuning are, once it is over.
            runs: by the number of the candidate, how many of its runs are still to be done.
        """
        networks: tuple[Cost, ...] = (*(self.teachers or (self.teacher,)), self.student)
        parameters = copies * sum(one.parameters for one in networks)
        if self.search:
            # all are kept, and those that run are there as often as any network in training
            often = copies * self.search.concurrent + kept * self.search.trials
            parameters += often * self.search.student.parameters
        for number, one in enumerate(self.candidates):
            parameters += kept * runs.get(number, 0) * one.parameters
        return parameters * _FLOAT + (self.cache.bytes or 0)


def plan(job: Job, data: Splits | AlambiqueError, *, config_of: ConfigOf) -> Plan:
    """The plan of a job, from configs alone and, for the cache, from its data.

    Args:
        job: what to plan.
        data: its examples, or why they cannot be read.
        config_of: reads a model's config.

    Raises:
        BadSpec: the student has more layers than it can be cut from, a goal of the search is
            measured by nothing, and the like.
        BadData: the labels cannot be known without the data, which cannot be read.
    """
    if wrong := list(bad_goals(job)):
        refuse(wrong)
    labels = _labels(job, data)
    first, *others = job.teachers
    tried = [
        _tried(job, field, source_of(one.model), _runs(first, number), labels, config_of)
        for number, (field, one) in enumerate(first.named)
    ]
    candidates = [[one for one, *_ in tried]]
    candidates += [_candidates(job, one, labels, config_of) for one in others]
    choice = any(len(one.said.runs) > 1 for one in job.teachers)
    costliest, student, _ = max(tried, key=lambda all_of_it: all_of_it[0].macs.full)
    largest = max((largest for *_, largest in tried), key=lambda cost: cost.macs.full)
    return Plan(
        teacher=Cost(costliest.parameters, costliest.macs),
        student=student,
        cache=_cache(job, data, labels),
        candidates=tuple(chain.from_iterable(candidates)) if choice else (),
        teachers=tuple(map(_costliest, job.teachers, candidates)) if others else (),
        search=_search(job, data, largest),
    )


def _tried(
    job: Job, field: str, model: Source, runs: int, labels: int, config_of: ConfigOf
) -> tuple[CandidateCost, Cost, Cost]:
    """What a candidate of the first teacher takes, and the student where it is the one to teach.

    Also the student of its search that computes most; without a search, that is the same one.
    """
    first = job.teachers[0]
    with first.telling(field):
        teacher = _teacher(first, model, config_of)
        own = _cost(job, teacher, labels)

    def student(variant: Job) -> Cost:
        config = _student(variant, field, teacher, config_of)
        with first.telling(field):
            for terms in variant.objectives:
                check_comparable(layered(terms), config, teacher)
        return _cost(job, config, labels)

    described = CandidateCost(own.parameters, own.macs, written(model), runs)
    return described, student(job), largest(job, student)


def _runs(teacher: Teaching, candidate: int) -> int:
    return [run.candidate for run in teacher.said.runs].count(candidate)


def _candidates(
    job: Job, teacher: Teaching, labels: int, config_of: ConfigOf
) -> list[CandidateCost]:
    """What the candidates of a teacher take that no student is made of."""
    found = []
    for number, (field, one) in enumerate(teacher.named):
        model = source_of(one.model)
        with teacher.telling(field):
            own = _cost(job, _teacher(teacher, model, config_of), labels)
        runs = _runs(teacher, number)
        found.append(CandidateCost(own.parameters, own.macs, written(model), runs))
    return found


def _costliest(teacher: Teaching, candidates: Sequence[CandidateCost]) -> TeacherCost:
    most = max(candidates, key=lambda one: one.macs.full)
    return TeacherCost(most.parameters, most.macs, teacher.role)


def largest(job: Job, cost_of: Callable[[Job], Cost]) -> Cost:
    """The student of a job's search that computes most, as far as values can be combined.

    Raises:
        BadSpec: a value of the space makes no student, whatever the others are.
    """
    found = [cost_of(job)]
    refused: dict[tuple[str, str], BadSpec] = {}
    able: set[tuple[str, str]] = set()
    for values in combined(job, "student"):
        named = {(path, str(value)) for path, value in values.items()}
        try:
            found.append(cost_of(laid_over(job, values)))
            able |= named
        except BadSpec as error:
            refused |= {name: error for name in named if name not in refused}
    for (path, value), why in refused.items():
        if (path, value) not in able:
            raise BadSpec(f"search.space.{path}: {value}: {why}") from why
    return max(found, key=lambda cost: cost.macs.full)


def _search(job: Job, data: Splits | AlambiqueError, student: Cost) -> SearchCost | None:
    if job.search is None:
        return None
    search = job.search
    epochs = search.size * max(variant.train.epochs for variant in [job, *alone(job)])
    each = None
    if isinstance(data, Splits):
        each = (len(data.train) + len(data.unlabelled)) * 3 * student.macs.full
    return SearchCost(search.size, search.concurrent, epochs, student, each and epochs * each)


def _labels(job: Job, data: Splits | AlambiqueError) -> int:
    output = find(job.task).output
    if output is Output.SPAN:
        return 2
    if output is Output.STATES:
        return 0
    if isinstance(data, Splits):
        return len(data.labels)
    known = () if "/" in job.data.name else dataset(job.data.name).labels
    if not known:
        raise data
    return len(known)


def _teacher(teacher: Teaching, model: Source, config_of: ConfigOf) -> Config:
    if not isinstance(model, Architecture):
        return config_of(model)
    positions = teacher.said.positions
    return shapes.from_scratch(
        model, vocabulary=model.vocabulary, pad=0, cls=2, sep=3, positions=positions
    )


def _student(job: Job, field: str, teacher: Config, config_of: ConfigOf) -> Config:
    start = job.student.start
    if start not in ("teacher", "random"):
        return shapes.of_student(job.student, config_of(source_of(start)))
    with job.teachers[0].telling(field):
        return shapes.of_student(job.student, teacher)


def _cost(job: Job, config: Config, labels: int) -> Cost:
    output = find(job.task).output
    found = count(config, task=output, labels=labels, length=job.train.max_length)
    return Cost(found.parameters, Macs(found.macs_linear, found.macs_full))


def _cache(job: Job, data: Splits | AlambiqueError, labels: int) -> CacheCost:
    """Logits that are learnt are kept: for each word of an example, one for each label."""
    if not needs_outputs(job):
        return CacheCost(0, None)
    if isinstance(data, AlambiqueError):
        return CacheCost(None, str(data))
    task, examples = find(job.task), [*data.train, *data.unlabelled]
    words = sum(task.word_count(example) for example in examples)
    each = words * labels * _FLOAT + len(examples) * _PER_EXAMPLE
    return CacheCost(each * len(job.teachers), None)
