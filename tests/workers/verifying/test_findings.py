"""When a number holds, what a card may print, and what follows from other numbers."""

from typing import Any

import pytest

from alambique.workers.publishing.derived import Derivation
from alambique.workers.publishing.findings import (
    Finding,
    Verdict,
    compared,
    compared_speed,
    exit_code,
    tolerance_of,
)
from alambique.workers.publishing.numbers import (
    DIFFERENCE,
    SIMILARITY,
    SPEED_RATIO,
    Measured,
    Number,
)
from alambique.workers.publishing.printed import card_findings, table_findings
from alambique.workers.publishing.provenance import Provenance


def number(metric: str = "f1", value: float = 0.8, **fields: Any) -> Number:
    about = {"model": "this", "data": "xnli", "split": "test", "measured": Measured.HERE}
    return Number.model_validate({"metric": metric, "value": value} | about | fields)


@pytest.mark.parametrize(
    ("examples", "is_quantized", "amount"),
    [(5000, False, 0.001), (50, False, 1 / 50), (5000, True, 0.01), (50, True, 3 / 50)],
)
def test_a_score_may_differ_by_few_examples_and_in_int8_by_more(
    examples: int, is_quantized: bool, amount: float
) -> None:
    tolerance = tolerance_of(number(), examples=examples, is_quantized=is_quantized)
    assert tolerance.amount == pytest.approx(amount)
    assert ("int8" in tolerance.reason) is is_quantized
    assert compared(number(), 0.8 + 0.99 * amount, tolerance).verdict is Verdict.HELD
    assert compared(number(), 0.8 - 1.01 * amount, tolerance).verdict is Verdict.FALSE


def test_a_size_is_exact_and_a_logit_nearly_so() -> None:
    size = number("parameters", 1000, data=None, split=None)
    assert tolerance_of(size, examples=0, is_quantized=True).amount == 0
    logits = number(DIFFERENCE, 3e-6, split="dev")
    assert tolerance_of(logits, examples=9, is_quantized=False).amount == 0.001
    assert tolerance_of(number(SIMILARITY, 1.0), examples=9, is_quantized=False).amount == 0.001
    assert tolerance_of(number(DIFFERENCE, 2.0), examples=9, is_quantized=True).amount == 1.0


@pytest.mark.parametrize(
    ("here", "verdict"),
    [
        (4.0, Verdict.HELD),
        (2.1, Verdict.HELD),
        (1.9, Verdict.DIFFERS),
        (9.0, Verdict.DIFFERS),
        (0.41, Verdict.DIFFERS),
        (0.39, Verdict.FALSE),
        (0.0, Verdict.FALSE),
    ],
)
def test_a_speed_is_false_where_it_is_ten_times_what_it_is_here(
    here: float, verdict: Verdict
) -> None:
    published = number(SPEED_RATIO, 4.0)
    assert compared_speed(published, here).verdict is verdict


def test_a_command_ends_by_the_worst_that_was_found() -> None:
    held, differs, data, false = (
        Finding("", verdict)
        for verdict in (Verdict.HELD, Verdict.DIFFERS, Verdict.NO_DATA, Verdict.FALSE)
    )
    assert exit_code([held, differs]) == 0
    assert exit_code([held, data]) == 3
    assert exit_code([data, false]) == 1


def provenance(*numbers: Number) -> Provenance:
    model = {
        "name": "tiny",
        "version": 1,
        "task": "inference",
        "role": "student-3",
        "primary": "f1",
        "weights": "",
        "labels": [],
        "max_length": 8,
        "stride": 1,
        "settings": {},
    }
    build: dict[str, Any] = {
        "externalParameters": {},
        "internalParameters": {},
        "resolvedDependencies": [],
    }
    run = {
        "builder": {"version": {}},
        "metadata": {"invocationId": "", "finishedOn": ""},
    }
    predicate = {
        "buildDefinition": build,
        "runDetails": run,
        "alambique_model": model,
        "alambique_made_by": {},
        "alambique_numbers": numbers,
    }
    return Provenance.model_validate({"subject": [], "predicate": predicate})


def card(value: object, *, name: str = "f1", split: str = "test") -> bytes:
    return f"""---
language: es
model-index:
- name: tiny
  results:
  - dataset: {{name: xnli, type: xnli, split: {split}}}
    metrics:
    - {{type: {name}, value: {value}}}
---
# tiny
""".encode()


@pytest.mark.parametrize(
    ("printed", "verdict"),
    [
        (card(0.76), Verdict.HELD),
        (card(76.2), Verdict.HELD),
        (card(0.7621), Verdict.FALSE),
        (card(0.77), Verdict.FALSE),
        (card("'0.762'"), Verdict.HELD),
        (card(".nan"), Verdict.FALSE),
        (card("[]"), Verdict.FALSE),
        (card(0.76, name="accuracy"), Verdict.FALSE),
        (card(0.76, split="dev"), Verdict.FALSE),
        (b"# no front matter\n", Verdict.SAID),
        (b"---\nmodel-index: 3\n---\n", Verdict.FALSE),
        (b"---\na: [\n---\n", Verdict.FALSE),
    ],
)
def test_a_card_prints_numbers_of_the_provenance_as_far_as_it_writes_them_out(
    printed: bytes, verdict: Verdict
) -> None:
    known = provenance(number(value=0.76234))
    (finding,) = card_findings(printed, known)
    assert finding.verdict is verdict


TABLE = """
| red | f1 % | ms, 10 % | conserva % | ganancia |
| --- | ---: | ---: | ---: | ---: |
| alumno, destilado | {f1} ± 1.21 | 3.33 | {kept} | {gain} [-0.40, +3.60] |

A sentence with 99.99 in it.
"""


@pytest.mark.parametrize(
    ("cells", "wrong"),
    [
        ({}, []),
        ({"f1": "76.24"}, ["76.24"]),
        ({"kept": "91.00"}, ["91.00"]),
        ({"gain": "+2.20"}, ["+2.20"]),
        # one that the provenance has, of another metric
        ({"f1": "90.00"}, ["90.00"]),
    ],
)
def test_figures_in_the_tables_of_a_card_are_of_the_provenance(
    cells: dict[str, str], wrong: list[str]
) -> None:
    known = provenance(
        number(value=0.76234),
        number(value=0.0121, metric="f1 deviation"),
        number(value=0.9, metric="retention of f1"),
        number(value=0.021, metric="f1 gain over gold-only"),
        number(value=-0.004, metric="f1 gain over gold-only, lower end"),
        number(value=0.036, metric="f1 gain over gold-only, upper end"),
    )
    written = TABLE.format(**({"f1": "76.23", "kept": "90.00", "gain": "+2.10"} | cells)).encode()
    *false, last = table_findings(written, known)
    assert [finding.published for finding in false] == wrong
    assert {finding.verdict for finding in false} <= {Verdict.FALSE}
    assert (last.verdict, last.published) == (Verdict.HELD, 6)


def test_numbers_of_a_trial_follow_from_those_of_its_seeds_and_its_baselines() -> None:
    numbers = [
        number(value=0.8, seed=1),
        number(value=0.6, seed=2, model="student-3", measured=Measured.NOT_HERE),
        number(value=0.5, seed=1, model="gold-only-3", measured=Measured.OWN_FILE),
        number(value=0.9, seed=2, model="gold-only-3", measured=Measured.NOT_HERE),
        number(value=0.1, seed=1, model="gold-only", measured=Measured.OWN_FILE),
        number(value=0.875, model="teacher", measured=Measured.OWN_FILE),
        number(value=0.5, model="teacher-2", measured=Measured.OWN_FILE),
    ]
    derivation = Derivation.of(provenance(*numbers))

    def value(metric: str, model: str = "student-3") -> float | None:
        return derivation.value(number(metric, 0, model=model, measured=Measured.DERIVED))

    assert value("f1") == pytest.approx(0.7)
    assert value("f1 deviation") == pytest.approx(0.1 * 2**0.5)
    assert value("retention of f1") == pytest.approx(0.7 / 0.875)
    assert value("f1 gain over gold-only") == pytest.approx((0.3 - 0.3) / 2)
    assert value("f1 gain over same-start") is None
    assert value("inferences_per_second", model="this") is None
    assert value("f1 deviation", model="gold-only") is None
