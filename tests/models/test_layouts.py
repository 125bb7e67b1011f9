"""Which files of a repository are taken, for each way in which the hub has models."""

import json

import pytest

from alambique.models.families import FAMILIES
from alambique.models.layouts import layout_of, with_shards
from alambique.spec.errors import BadModel

BESIDE = ("tokenizer_config.json", "special_tokens_map.json")
OLD = {
    "bert": ("vocab.txt",),
    "distilbert": ("vocab.txt",),
    "electra": ("vocab.txt",),
    "roberta": ("vocab.json", "merges.txt"),
    "albert": ("spiece.model",),
    "xlm-roberta": ("sentencepiece.bpe.model",),
    "deberta-v2": ("spm.model",),
}


@pytest.mark.parametrize("model_type", FAMILIES)
def test_what_can_be_used_as_it_is_is_taken_as_it_is(model_type: str) -> None:
    there = ["config.json", "model.safetensors", "tokenizer.json", *OLD.get(model_type, ())]
    there += ["pytorch_model.bin", "modeling.py", "onnx/model.onnx", *BESIDE]
    layout = layout_of(there, model_type)
    wanted = ("config.json", "model.safetensors", "tokenizer.json", *BESIDE)
    assert (layout.files, layout.imported) == (wanted, ())


@pytest.mark.parametrize("model_type", OLD)
def test_pickles_and_the_files_of_an_older_tokenizer(model_type: str) -> None:
    old = OLD[model_type]
    layout = layout_of(["config.json", "pytorch_model.bin", "tf_model.h5", *old], model_type)
    assert layout.files == ("config.json", "pytorch_model.bin", *old)
    assert layout.imported == ("pytorch_model.bin", *old)


@pytest.mark.parametrize(
    ("stem", "end", "pickled"),
    [("model", "safetensors", False), ("pytorch_model", "bin", True)],
)
def test_weights_in_shards_are_found_by_their_index(stem: str, end: str, pickled: bool) -> None:
    shards = [f"{stem}-0000{number}-of-00002.{end}" for number in (1, 2)]
    index = f"{stem}.{end}.index.json"
    layout = layout_of([*reversed(shards), index, "tokenizer.json", f"x-{shards[0]}"], "bert")
    assert (layout.weights, layout.pickled) == ((index, *shards), pickled)


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        (["tf_model.h5", "flax_model.msgpack"], "tf_model.h5"),
        (["folder/model.safetensors"], "nothing"),
        (["model.safetensors", "spiece.model"], r"tokenizer\.json or vocab\.txt"),
        (["model.safetensors"], "expected"),
    ],
)
def test_what_cannot_be_used_is_said(there: list[str], sentence: str) -> None:
    with pytest.raises(BadModel, match=sentence):
        layout_of(there, "bert")


SHARDS = tuple(f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
SHARDED = ["config.json", "model.safetensors.index.json", *SHARDS, "tokenizer.json"]


def test_the_index_says_which_shards_count() -> None:
    there = [*SHARDED, "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors"]
    index = {"weight_map": {"a": SHARDS[1], "b": f"./{SHARDS[0]}", "c": SHARDS[1]}}
    layout = with_shards(layout_of(there, "bert"), json.dumps(index).encode())
    assert layout.weights == ("model.safetensors.index.json", *SHARDS)


@pytest.mark.parametrize(
    ("index", "sentence"),
    [
        ({"weight_map": {}}, "names no files"),
        ({"weight_map": {"a": "model-00001-of-00009.safetensors"}}, "00009"),
        ({"weight_map": {"a": "config.json"}}, r"config\.json"),
        ({"weight_map": {"a": 3}}, "is not an index"),
        ([], "is not an index"),
    ],
)
def test_an_index_of_something_else_is_refused(index: object, sentence: str) -> None:
    with pytest.raises(BadModel, match=sentence):
        with_shards(layout_of(SHARDED, "bert"), json.dumps(index).encode())
