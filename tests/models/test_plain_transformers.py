"""What is saved loads with plain transformers, none of this project's code, and says the same."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import pipeline

from alambique.models.networks import Network, load, save
from alambique.models.students import cut
from alambique.runtime.windows import Encoder, pad
from alambique.spec.outputs import Output

LABELS = {Output.SPAN: ("start", "end"), Output.TAGS: ("O", "B-PER", "I-PER")}
PROGRAM = """
import json, sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForQuestionAnswering as Spans
from transformers import AutoModelForTokenClassification as Tags
from transformers import AutoTokenizer

root = Path(sys.argv[1])
inputs = load_file(root / "inputs.safetensors")
answers, labels = {}, {}
for folder in sorted(root.glob("*/config.json")):
    name = folder.parent.name
    span = "span" in name and "-eurobert" not in name  # it has no head of spans: one of tags
    auto = Spans if span else Tags
    model, report = auto.from_pretrained(folder.parent, output_loading_info=True)
    assert not any(report.values()), (name, report)
    given = dict(inputs)
    if "-modernbert" in name or "-eurobert" in name:
        del given["token_type_ids"]
    with torch.no_grad():
        said = model(**given)
    answers[name] = torch.stack((said.start_logits, said.end_logits), -1) if span else said.logits
    labels[name] = model.config.id2label
    tokenizer = AutoTokenizer.from_pretrained(folder.parent)
    assert tokenizer("La estación", "de Málaga")["input_ids"][0] == tokenizer.cls_token_id == 2
    assert tokenizer.pad_token_id == 0
assert not any(module.startswith("alambique") for module in sys.modules)
save_file(answers, root / "answers.safetensors")
(root / "labels.json").write_text(json.dumps(labels))
"""


def networks(saved: Callable[..., Path]) -> dict[str, Network]:
    """Whole and cut ones of families and outputs; of a ModernBERT also a new first layer."""
    found: dict[str, Network] = {}
    for family in ("bert", "modernbert", "eurobert"):
        for output, labels in LABELS.items():
            start = saved(family, output, labels, name=f"start-{family}-{output}")
            found[f"whole-{family}-{output}"] = load(start, output, labels)
            for kept in ((0, 2), (0, 3), (1, 2)):
                name = f"cut{kept[0]}{kept[1]}-{family}-{output}"
                found[name] = cut(start, kept, output, labels, seed=1)
    return found


def test_plain_transformers_says_the_same(
    saved: Callable[..., Path],
    tmp_path: Path,
    tokenizer_folder: Path,
    batch: tuple[Tensor, Tensor, Tensor],
) -> None:
    root = tmp_path / "plain"
    root.mkdir()
    expected = {}
    for name, network in networks(saved).items():
        save(network, root / name, tokenizer_folder)
        with torch.no_grad():
            expected[name] = network(*batch)
    names = ("input_ids", "attention_mask", "token_type_ids")
    save_file(dict(zip(names, batch, strict=True)), root / "inputs.safetensors")
    subprocess.run([sys.executable, "-c", PROGRAM, str(root)], check=True, cwd=tmp_path)
    answers = load_file(root / "answers.safetensors")
    labels = json.loads((root / "labels.json").read_text())
    assert answers.keys() == expected.keys()
    assert len(answers) == 24
    for name, logits_BNC in expected.items():
        torch.testing.assert_close(answers[name], logits_BNC, rtol=0, atol=1e-6)
        of = LABELS[Output.SPAN if "span" in name else Output.TAGS]
        assert labels[name] == {str(number): label for number, label in enumerate(of)}


def test_a_pipeline_says_a_score_as_it_is(
    saved: Callable[..., Path], tmp_path: Path, tokenizer_folder: Path
) -> None:
    """Transformers puts the only output of a head through a sigmoid, unless told what it is."""
    start = saved("bert", Output.TAGS, ("O", "B-PER"), name="start-score")
    network = load(start, Output.SCORE, ("similarity",), seed=1)
    with torch.no_grad():
        network.inner.get_parameter("classifier.bias").fill_(3.0)
    save(network, tmp_path / "score", tokenizer_folder)
    config = json.loads((tmp_path / "score/config.json").read_text())
    assert config["problem_type"] == "regression"
    pair = {"text": "La estación", "text_pair": "de Málaga"}
    scorer = pipeline("text-classification", str(tmp_path / "score"), device="cpu")
    encoder = Encoder.from_folder(tmp_path / "score", max_length=64, stride=16)
    inputs = pad([encoder.texts(*pair.values())], encoder.pad_id)
    arrays = (inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
    with torch.no_grad():
        expected = network(*map(torch.from_numpy, arrays)).item()
    (found,) = scorer([pair])
    assert found["label"] == "similarity"
    assert found["score"] == pytest.approx(expected, rel=1e-5)
    assert found["score"] > 1
    again = load(tmp_path / "score", Output.CLASSES, ("no", "yes"), seed=1)
    assert again.exported.problem_type is None  # no class is a score
