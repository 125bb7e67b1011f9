"""What a job of general distillation cannot say is refused at its field."""

import pytest

from alambique.spec.errors import BadSpec
from alambique.spec.objective import Hidden, Relations
from alambique.spec.reading import read_job

JOB = """
task: general
data: text
teacher: {model: mini-es}
student: {layers: 2}
objective: [{kind: hidden, mapping: learned}, {kind: relations}]
"""


def test_it_is_taught_by_layers() -> None:
    job = read_job(JOB, ["intermediate={objective: [{kind: relations}]}"])
    assert [type(term) for term in job.objective] == [Hidden, Relations]
    assert not job.needs_outputs


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("objective=[{kind: logits}]", "objective: general distillation is of layers: .* logits"),
        ("objective=[{kind: relations}, {kind: gold, weight: 0}]", "objective: .* for gold to"),
        (
            "intermediate={objective: [{kind: gold}, {kind: logits}]}",
            "intermediate: .* for gold and logits to compare; give terms of hidden, attention or",
        ),
        ("teacher.train={}", "teacher: .* takes a pre-trained model as it is, .* leave out train"),
        ("teacher.grid={epochs: [2]}", "teacher: .* leave out grid, and give model"),
        ("teacher={candidates: [a, b]}", "teacher: .* leave out candidates, and give model"),
        ("data={name: text, unlabelled: more}", "data: .* all of its text .* put the text of more"),
        ("compare=[gold-only]", "compare: .* no gold labels to learn from instead: leave out"),
    ],
)
def test_what_needs_labels_is_refused(override: str, sentence: str) -> None:
    with pytest.raises(BadSpec, match=sentence) as caught:
        read_job(JOB, [override])
    assert [bad.path for bad in caught.value.fields] == [sentence.partition(":")[0]]


def test_its_objective_has_no_default() -> None:
    lines = [line for line in JOB.splitlines() if not line.startswith("objective")]
    with pytest.raises(BadSpec) as caught:
        read_job("\n".join(lines))
    assert [bad.path for bad in caught.value.fields] == ["job"]


def test_other_tasks_are_as_they_were() -> None:
    ner = ("task=named-entities", "data=conll2002", "teacher.train={}", "compare=[gold-only]")
    assert read_job(JOB, [*ner, "objective=[{kind: logits}]"]).needs_outputs
