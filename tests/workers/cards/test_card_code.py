"""The code that a card shows runs in the place that it is shown for, beside the folder."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engine_models import make_engine_model
from tests.workers.cards.test_card import part
from tests.workers.cards.test_spanish import english_words

from alambique.models.networks import new, save
from alambique.models.sources import SAMPLES
from alambique.models.weights import weights_hash
from alambique.registry import versions
from alambique.registry.database import Database
from alambique.runtime.about import ABOUT, about_fields
from alambique.runtime.engines import ONNX_FILE
from alambique.spec.outputs import Output
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import State
from alambique.workers.publishing.card import documents
from alambique.workers.publishing.licence_links import LicenceSources, release_chain
from alambique.workers.publishing.licences import LicenceLink, chain_of
from alambique.workers.publishing.release import Release, load_release
from alambique.workers.queue.driver import run_here
from alambique.workers.stages.artifacts import fetch_model

Released = Callable[..., Release]
PICO = Path(__file__).parents[3] / "recipes" / "pico.yaml"
SHORT = (
    "data.limit={train: 60, dev: 20, test: 20}",
    "teacher.train.epochs=4",
    "teacher.gate=off",
    "train.epochs=2",
    "seeds=[1, 2]",
    "compare=[gold-only, same-start]",
    "compress={formats: [onnx, onnx-int8], tolerance: 1}",
)
CHAIN = chain_of([LicenceLink("data", "sample-entities", "Apache-2.0", "the catalogue")])


def code(card: str) -> list[str]:
    """The blocks of Python, each once: both languages show the same."""
    return list(dict.fromkeys(re.findall(r"^```python\n(.*?)^```", card, re.M | re.S)))


def printed(block: str, folder: Path) -> str:
    """What a block prints where no part of this project is on the path but what is installed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", block],
        cwd=folder,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def network(folder: Path, output: Output, labels: tuple[str, ...]) -> None:
    """A network with weights that are drawn, as a version's files have it."""
    tokenizer = SAMPLES["sample-encoder"]
    config = json.loads((tokenizer / "config.json").read_text())
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2}
    layers = {"num_hidden_layers": 1, "layer_types": ["full_attention"]}
    save(new(config | sizes | layers, output, labels, seed=1), folder, tokenizer)


@pytest.mark.parametrize(
    ("output", "labels", "inputs"),
    [
        (Output.TAGS, ("O", "B-PER", "I-PER"), 1),
        (Output.SPAN, (), 2),
        (Output.CLASSES, ("a", "b"), 1),
        (Output.CLASSES, ("a", "b"), 2),
        (Output.SCORE, ("similarity",), 2),
        (Output.STATES, (), 1),
    ],
)
def test_the_code_for_plain_transformers_runs(
    released: Released,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: Output,
    labels: tuple[str, ...],
    inputs: int,
) -> None:
    network(tmp_path / "tiny", output, labels)
    about: dict[str, Any] = {"output": output.value, "inputs": ["text"] * inputs}
    block, *_ = code(documents(released(about=about), CHAIN)["README.md"].decode())
    monkeypatch.chdir(tmp_path)
    assert "transformers" in block
    exec(compile(block, "card", "exec"), {})
    said = capsys.readouterr().out
    match output:
        case Output.CLASSES:
            assert re.search(r"'label': '[ab]', 'score': 0\.\d+", said)
        case Output.STATES:
            assert re.search(r"\[1, \d+, 32\]", said)
        case _:
            assert said


@pytest.mark.slow
@pytest.mark.parametrize("task", ["named-entities", "question-answering", "paraphrase"])
def test_the_code_for_the_runtime_runs(released: Released, tmp_path: Path, task: str) -> None:
    made = make_engine_model(tmp_path / "tiny", task)
    about = about_fields(made)
    _, block = code(documents(released(about=about), CHAIN)["README.md"].decode())
    assert "alambique.runtime" in block
    assert printed(block, tmp_path)


@pytest.mark.slow
def test_the_card_of_a_whole_job_shows_code_that_runs(
    tmp_path: Path, publication: Callable[..., Any]
) -> None:
    """As a folder is published: the files of the student, with those of its quickest form."""
    settings = Settings(home=tmp_path / "home")
    database = Database(settings.database)
    database.upgrade()
    job = read_job(PICO.read_text(), SHORT)
    row = run_here(settings, database, job, posted=lambda _: None)
    assert row.state is State.SUCCEEDED, row.message
    with database.read() as session:
        version = versions.find(session, "default", "pico", "1")
        release = load_release(session, publication(version.id, "folder:pico"))
    folder = tmp_path / "pico"
    folder.mkdir()
    for path in fetch_model(settings, version).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert release.engine_file is not None
    engine = fetch_model(settings, release.engine_file)
    for name in (ONNX_FILE, ABOUT):
        (folder / name).write_bytes((engine / name).read_bytes())
    chain = release_chain(release, LicenceSources(None, tmp_path / "cache"))
    for name, content in documents(release, chain).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    card = (folder / "README.md").read_text()
    assert card.count("| student, distilled |") == 3
    assert english_words(part(card, "Español")) == set()
    assert "Otras notas del registro" not in card
    assert weights_hash(folder) == version.weights
    blocks = code(card)
    assert ["transformers" in block for block in blocks] == [True, False]
    for block in blocks:
        assert printed(block, tmp_path)
    database.dispose()
