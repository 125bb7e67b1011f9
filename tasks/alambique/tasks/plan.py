"""What a job would take: parameters and MACs of its networks, bytes of its cache."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain

from alambique.distill.terms.table import select_layers, with_chosen_map
from alambique.models import shapes
from alambique.models.comparability import check_comparable
from alambique.models.configs import Config, depth, sizes_of
from alambique.models.counts import count
from alambique.spec.combinations import (
    Combinations,
    needs_outputs,
    same_combinations,
    search_combinations,
)
from alambique.spec.data_sources import is_own
from alambique.spec.errors import AlambiqueError, BadSpec
from alambique.spec.field_errors import prefix_paths, refuse
from alambique.spec.job import Job
from alambique.spec.objective import Term, intermediate_losses
from alambique.spec.sources import Architecture, Source, source_of, source_text
from alambique.spec.space import axes, single_value_jobs, trial_count
from alambique.spec.teachers import TeacherEntry
from alambique.tasks.all import find
from alambique.tasks.catalogue import dataset
from alambique.tasks.costs import (
    FLOAT,
    CacheCost,
    CandidateCost,
    Cost,
    LiveTeacherCost,
    Macs,
    Plan,
    SearchCost,
    TeacherCost,
)
from alambique.tasks.data import Splits
from alambique.tasks.goals import bad_goals
from alambique.tasks.reading import NotFetched
from alambique.tasks.search_values import NETWORKS, check_values, checked_combinations

ConfigOf = Callable[[Source], Config]
"""From a model that is not from scratch to the fields of its config.json."""

_SUPPOSED = 2
"""Labels of data that nobody has seen yet: the fewest, since heads are small."""
_PER_EXAMPLE = 40
"""Bytes that the cache keeps of an example besides its outputs: key, row, index."""


def plan(job: Job, data: Splits | AlambiqueError, *, config_of: ConfigOf) -> Plan:
    """Return the plan of a job, from configs alone and, for the cache, from its data.

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
    labels, config_of, looked_at = _labels(job, data), cache(config_of), checked_combinations(job)
    first, *others = job.teachers
    same = same_combinations(job, NETWORKS, ("student",))
    variants = tuple((looked_at if same else search_combinations(job, "student")).jobs)
    candidate = partial(
        _candidate,
        job,
        looked_at=looked_at,
        variants=variants,
        labels=labels,
        config_of=config_of,
    )
    firsts = [
        candidate(field, source_of(one.model), _runs(first, number))
        for number, (field, one) in enumerate(first.named_candidates)
    ]
    candidates = [[one.teacher for one in firsts]]
    candidates += [_candidates(job, one, labels, config_of) for one in others]
    choice = any(len(one.spec.runs) > 1 for one in job.teachers)
    costliest = max(firsts, key=lambda one: one.teacher.macs.full)
    most = max(firsts, key=lambda one: one.largest.macs.full)
    return Plan(
        teacher=Cost(costliest.teacher.parameters, costliest.teacher.macs),
        student=costliest.student,
        cache=_cache(job, data, labels),
        candidates=tuple(chain.from_iterable(candidates)) if choice else (),
        teachers=tuple(map(_costliest, job.teachers, candidates)) if others else (),
        beside=_beside(job, data, costliest),
        search=_search(job, data, most),
        publish=str(job.publish.target) if job.publish else None,
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A candidate of the first teacher, as if it were the one to teach."""

    teacher: CandidateCost
    config: Config
    """The teacher's."""
    student: Cost
    layers: int
    """How many layers the student has."""
    largest: Cost
    """The student of the search that computes most; without a search, that is the same one."""


def _candidate(
    job: Job,
    field: str,
    model: Source,
    runs: int,
    *,
    looked_at: Combinations,
    variants: Sequence[Job],
    labels: int,
    config_of: ConfigOf,
) -> _Candidate:
    first = job.teachers[0]
    with first.prefix_errors(field):
        teacher = _teacher(first, model, config_of)
        own = _cost(job, teacher, labels)

    def student(variant: Job) -> Config:
        return _student(variant, field, teacher, config_of)

    def fits(variant: Job) -> None:
        config = student(variant)
        with first.prefix_errors(field):
            _check_terms(variant, config, teacher)

    fits(job)
    if job.search:
        check_values(looked_at, fits)
    config = student(job)
    return _Candidate(
        teacher=CandidateCost(own.parameters, own.macs, source_text(model), runs),
        config=teacher,
        student=_cost(job, config, labels),
        layers=depth(config),
        largest=largest(job, variants, lambda variant: _cost(variant, student(variant), labels)),
    )


def _check_terms(job: Job, student: Config, teacher: Config) -> None:
    for place, terms in job.objective_places:
        for number, term in enumerate(terms):
            with prefix_paths(f"{'.'.join(place)}.{number}"):
                check_comparable(intermediate_losses([term]), student, teacher)


def _runs(teacher: TeacherEntry, candidate: int) -> int:
    return [run.candidate for run in teacher.spec.runs].count(candidate)


def _candidates(
    job: Job, teacher: TeacherEntry, labels: int, config_of: ConfigOf
) -> list[CandidateCost]:
    """Return the costs of the candidates of a teacher that no student is cut from."""
    found = []
    for number, (field, one) in enumerate(teacher.named_candidates):
        model = source_of(one.model)
        with teacher.prefix_errors(field):
            own = _cost(job, _teacher(teacher, model, config_of), labels)
        runs = _runs(teacher, number)
        found.append(CandidateCost(own.parameters, own.macs, source_text(model), runs))
    return found


def _costliest(teacher: TeacherEntry, candidates: Sequence[CandidateCost]) -> TeacherCost:
    most = max(candidates, key=lambda one: one.macs.full)
    return TeacherCost(most.parameters, most.macs, teacher.role)


def largest(job: Job, variants: Iterable[Job], cost_of: Callable[[Job], Cost]) -> Cost:
    """Return the student of a job's search that computes most, as far as values can be combined."""
    found = [cost_of(job)]
    for variant in variants:
        with suppress(BadSpec):  # such as heads that do not divide a width
            found.append(cost_of(variant))
    return max(found, key=lambda cost: cost.macs.full)


def _beside(
    job: Job, data: Splits | AlambiqueError, teaching: _Candidate
) -> LiveTeacherCost | None:
    """Return the cost of a live teacher, and of keeping its states instead; None: there is none."""
    terms = [term for terms in job.objectives for term in intermediate_losses(terms)]
    if not terms or not job.distil:
        return None
    if isinstance(data, AlambiqueError):
        return LiveTeacherCost(None, None)
    # a map that is chosen before the training compares as many layers as any other
    chosen = intermediate_losses(with_chosen_map(term, "uniform") for term in terms)
    _, compared = select_layers(chosen, teaching.layers, depth(teaching.config))
    states = len(compared.hidden) + 3 * len(compared.qkv)  # queries, keys and values
    columns = sizes_of(teaching.config).width * states
    return LiveTeacherCost(
        macs=_examples(data) * _beside_epochs(job) * teaching.teacher.macs.full,
        bytes=_examples(data) * job.train.max_length * columns * FLOAT,
    )


def _search(job: Job, data: Splits | AlambiqueError, teaching: _Candidate) -> SearchCost | None:
    if job.search is None:
        return None
    search, every = job.search, [job, *single_value_jobs(job)]
    trials = trial_count(search, axes(job))
    epochs = trials * max(map(_epochs, every))
    macs = None
    if isinstance(data, Splits):
        # once there and twice back
        own, theirs = 3 * teaching.largest.macs.full, teaching.teacher.macs.full
        each = max(_epochs(one) * own + _beside_epochs(one) * theirs for one in every)
        macs = trials * _examples(data) * each
    return SearchCost(trials, search.concurrent, epochs, teaching.largest, macs)


def _trainings(job: Job) -> Iterable[tuple[Sequence[Term], int]]:
    """Return what the student is taught, one after the other, with the epochs of each."""
    first = job.intermediate
    before = [] if first is None else [(first.objective, first.train.epochs)]
    return [*before, (job.objective, job.train.epochs)]


def _epochs(job: Job) -> int:
    return sum(epochs for _, epochs in _trainings(job))


def _beside_epochs(job: Job) -> int:
    return sum(epochs for terms, epochs in _trainings(job) if intermediate_losses(terms))


def _examples(data: Splits) -> int:
    """Return how many examples the student learns from."""
    return len(data.train) + len(data.unlabelled)


def _labels(job: Job, data: Splits | AlambiqueError) -> int:
    output = find(job.task).output
    if output.columns is not None:
        return output.columns
    if isinstance(data, Splits):
        return len(data.labels)
    if _has_unknown_labels(job, data):
        return _SUPPOSED
    known = (job.data.labels or ()) if is_own(job.data.name) else dataset(job.data.name).labels
    if not known:
        raise data
    return len(known)


def _has_unknown_labels(job: Job, data: Splits | AlambiqueError) -> bool:
    """Return whether only the data tells them, which is of the hub and has not been asked for."""
    from_data = find(job.task).output.columns is None
    own = is_own(job.data.name) and not job.data.labels
    return from_data and own and isinstance(data, NotFetched)


def _teacher(teacher: TeacherEntry, model: Source, config_of: ConfigOf) -> Config:
    if not isinstance(model, Architecture):
        return config_of(model)
    positions = teacher.spec.positions
    return shapes.from_scratch(
        model, vocabulary=model.vocabulary, pad=0, cls=2, sep=3, mask=4, positions=positions
    )


def _student(job: Job, field: str, teacher: Config, config_of: ConfigOf) -> Config:
    start = job.student.start
    if start not in ("teacher", "random"):
        return shapes.student_config(job.student, config_of(source_of(start)))
    with job.teachers[0].prefix_errors(field):
        return shapes.student_config(job.student, teacher)


def _cost(job: Job, config: Config, labels: int) -> Cost:
    output = find(job.task).output
    found = count(config, task=output, labels=labels, length=job.train.max_length)
    return Cost(found.parameters, Macs(found.macs_linear, found.macs_full))


def _cache(job: Job, data: Splits | AlambiqueError, labels: int) -> CacheCost:
    """Return the cost of the cache: of each word of each example, a logit for each label."""
    if not needs_outputs(job):
        return CacheCost(0, None)
    if isinstance(data, AlambiqueError):
        supposed = (
            f"; until then its heads are counted as of {_SUPPOSED} labels, unless the job names "
            "them (data.labels)"
        )
        return CacheCost(None, str(data) + (supposed if _has_unknown_labels(job, data) else ""))
    task, examples = find(job.task), [*data.train, *data.unlabelled]
    words = sum(task.word_count(example) for example in examples)
    each = words * labels * FLOAT + len(examples) * _PER_EXAMPLE
    return CacheCost(each * len(job.teachers), None)
