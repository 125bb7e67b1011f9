"""Tokenizers of the three kinds, and versions of models, small enough to be made on the spot."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from alambique.spec.outputs import Output

TEXTS = [
    "El río Ebro nace en Fontibre, Cantabria, y cruza Zaragoza.",
    "La plaza del Pozo Amarillo se llama así por el color de la arcilla.",
    "Ganaron por 3-1 con dos goles de Ruiz y uno de Echeverría; costó 7,50 €.",
]
SIZES = {"wordpiece": 150, "bytebpe": 330, "unigram": 90}


@pytest.fixture(scope="session")
def tokenizers(learnt: Callable[[str, Sequence[str], int], Tokenizer]) -> dict[str, Tokenizer]:
    """By kind; each with its own way of framing a pair."""
    return {kind: learnt(kind, TEXTS, size) for kind, size in SIZES.items()}


CONFIG = {
    "model_type": "bert",
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "num_hidden_layers": 1,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "type_vocab_size": 2,
    # weights that say something: with those of a fresh BERT all classes are nearly as likely
    "initializer_range": 0.6,
}
LABELS = {
    Output.SPAN: ("start", "end"),
    Output.TAGS: ("B-LOC", "B-PER", "O"),
    Output.CLASSES: ("no", "yes", "perhaps"),
    Output.SCORE: ("score",),
}
INPUTS = {
    Output.SPAN: ("question", "context"),
    Output.TAGS: ("text",),
    Output.CLASSES: ("first", "second"),
    Output.SCORE: ("first", "second"),
}


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Output], Path]:
    """The folder of a version for a kind of output: a tiny network, as weights and as an ONNX file.

    It is made once, for it takes ten seconds: who changes it takes a copy.
    """
    folders: dict[Output, Path] = {}

    def folder_for(output: Output) -> Path:
        if output not in folders:
            folders[output] = tmp_path_factory.mktemp("versions") / output
            _export(output, folders[output])
        return folders[output]

    return folder_for


def _export(output: Output, folder: Path) -> None:
    # not on top: most tests of the runtime need no torch
    from alambique.models.networks import new, save
    from alambique.models.tokenizers import train_tokenizer
    from alambique.workers.compression.formats import export_onnx

    vocabulary = train_tokenizer(TEXTS, 150, folder, max_length=64)
    labels = LABELS[output]
    network = new({**CONFIG, "vocab_size": vocabulary}, output, labels, seed=1)
    save(network, folder, folder)
    export_onnx(network, folder / "model.onnx")
    about = {
        "task": f"some-{output}",
        "output": output,
        "inputs": INPUTS[output],
        "labels": labels,
        "max_length": 40,
        "stride": 12,
        "settings": {"null_threshold": 0.0} if output is Output.SPAN else {},
    }
    (folder / "alambique.json").write_text(json.dumps(about))
