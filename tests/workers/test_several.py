"""Several teachers of one student: of other vocabularies, each asked once, combined as they say."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alambique.cache.reader import Outputs
from alambique.models.networks import new, save
from alambique.spec.objective import Gold, Logits
from alambique.tasks.all import find
from alambique.tasks.data import Splits
from alambique.tasks.examples import read, write
from alambique.workers.stages.filler import Filler
from alambique.workers.training import inputs
from alambique.workers.training.spec import FillTask, OutputsLocation, TrainingSpec

if TYPE_CHECKING:
    from tests.workers.recorder import Recorded

Made = Callable[..., TrainingSpec]
Ordered = Callable[..., FillTask]
Recorder = Callable[..., "Recorded"]
KINDS = {"bert": "wordpiece", "roberta": "bytebpe"}
"""The teachers, each with the kind of its tokenizer; the student's is a WordPiece of its own."""
SIZES = {
    "num_hidden_layers": 1,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 130,
    "pad_token_id": 0,
    "initializer_range": 0.3,
}


@pytest.fixture
def taught_by(
    tmp_path: Path,
    few: Callable[[str], Splits],
    fill_task_for: Ordered,
    learnt: Callable[..., Any],
) -> Callable[[TrainingSpec], list[FillTask]]:
    """The orders of two teachers with vocabularies and windows of their own."""

    def orders(spec: TrainingSpec) -> list[FillTask]:
        write(spec.training, few(spec.task).train[:16])
        return [
            fill_task_for(
                spec,
                tmp_path / "near",
                teacher=_network(spec, name, few(spec.task), learnt, tmp_path / name),
                max_length=64 + 32 * number,
                outputs=_outputs(tmp_path, name, 1.0 + number),
            )
            for number, name in enumerate(KINDS)
        ]

    return orders


def _network(spec: TrainingSpec, name: str, splits: Splits, learnt: Any, folder: Path) -> Path:
    if not folder.exists():
        folder.mkdir()
        texts = [text for e in splits.train for text in find(spec.task).texts(e)]
        learnt(KINDS[name], texts, 300).save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text('{"pad_token": "<pad>"}')
        config = SIZES | {"model_type": name, "vocab_size": 300}
        save(new(config, find(spec.task).output, spec.labels, seed=1), folder, folder)
    return folder


def _outputs(folder: Path, name: str, weight: float) -> OutputsLocation:
    return OutputsLocation(
        near=folder / "near",
        shared=False,
        teacher=name,
        tokenizer=KINDS[name],
        preprocessing="1",
        dtype="fp32",
        weight=weight,
    )


def filled(order: FillTask) -> int:
    filler = Filler(order)
    return sum(filler.fill(group) for group in filler.bucket_groups(list(filler.missing())))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Outputs]:
    """The outputs that are opened, to be filled or to be learnt from."""
    found: list[Outputs] = []

    class Counted(Outputs):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            found.append(self)

    monkeypatch.setattr(inputs, "Outputs", Counted)
    return found


@pytest.mark.parametrize(
    ("task", "combine"),
    [
        ("named-entities", "average"),
        ("question-answering", "best"),
        ("document-classification", "average"),
    ],
)
def test_a_student_of_a_third_vocabulary_learns_from_both(
    training_spec: Made,
    taught_by: Callable[[TrainingSpec], list[FillTask]],
    recorded: Recorder,
    opened: list[Outputs],
    task: str,
    combine: str,
) -> None:
    spec = training_spec(task)
    orders = taught_by(spec)
    examples = len({find(task).texts(e) for e in read(orders[0].examples)})
    assert [filled(order) for order in orders] == [examples, examples]
    outputs = tuple(order.outputs for order in orders)
    term = Logits.model_validate({"combine": combine, "loss": "ce"})
    opened.clear()  # those that were filled
    run = recorded(training_spec(task, teachers=outputs, objective=(term, Gold(weight=0.1))))
    run.run()
    assert run.losses[-1] < run.losses[0]
    assert [outputs.misses for outputs in opened] == [0, 0]
    assert opened[0].hits == opened[1].hits > 0
    assert [filled(order) for order in orders] == [0, 0]


@pytest.mark.parametrize("task", ["named-entities", "question-answering"])
def test_a_teacher_beside_itself_teaches_as_it_does_alone(
    training_spec: Made,
    taught_by: Callable[[TrainingSpec], list[FillTask]],
    recorded: Recorder,
    task: str,
) -> None:
    spec = training_spec(task)
    order = taught_by(spec)[1]
    filled(order)

    def losses(*teachers: OutputsLocation, **said: Any) -> list[float]:
        terms = (Logits.model_validate({"temperature": 2.0, **said}),)
        short = spec.train.model_copy(update={"epochs": 1})
        run = recorded(training_spec(task, teachers=teachers, objective=terms, train=short))
        run.run()
        return run.losses

    alone = losses(order.outputs)
    twice = order.outputs, order.outputs.model_copy(update={"weight": 5.0})
    for combine in ("average", "best"):
        assert losses(*twice, combine=combine) == pytest.approx(alone, rel=1e-4)


def test_micro_batches_split_memory_and_not_what_teachers_say_together(
    training_spec: Made, taught_by: Callable[[TrainingSpec], list[FillTask]], recorded: Recorder
) -> None:
    spec = training_spec()
    orders = taught_by(spec)
    for order in orders:
        filled(order)
    said = {
        "teachers": tuple(order.outputs for order in orders),
        "objective": (Logits(combine="best"), Gold(weight=0.5)),
    }
    runs = [
        recorded(training_spec(train=spec.train.model_copy(update={"accumulate": pieces}), **said))
        for pieces in (1, 3)
    ]
    for run in runs:
        run.run()
    assert runs[0].losses == pytest.approx(runs[1].losses, abs=1e-5)
