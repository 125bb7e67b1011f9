"""Older tokenizers of strangers: what of their files counts, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from alambique.models.conversion import convert_tokenizer
from alambique.spec.errors import BadModel

OLDER = ("bert", "distilbert", "electra", "roberta", "albert", "xlm-roberta", "deberta-v2")
Older = Callable[[Path, str], None]
SECRET = "the-secret-of-another"


def older(folder: Path, put: Older, family: str) -> Path:
    folder.mkdir()
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    pieces = {piece: n for n, piece in enumerate((*special, "el", "ni", "##ño"))}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": pieces}}))
    put(folder, family)
    return folder


@pytest.mark.parametrize("family", OLDER)
def test_a_config_names_no_other_file(older_tokenizer: Older, tmp_path: Path, family: str) -> None:
    folder = older(tmp_path / "older", older_tokenizer, family)
    convert_tokenizer(folder, family, tmp_path / "wanted")
    secret, merges = tmp_path / "secret", tmp_path / "merges"
    secret.write_text(json.dumps({SECRET: 0, "<unk>": 1}) if family == "roberta" else SECRET)
    merges.write_text("")
    fields = dict.fromkeys(("vocab", "vocab_file", "tokenizer_file"), str(secret))
    fields |= dict.fromkeys(("merges", "merges_file"), str(merges))
    config = folder / "tokenizer_config.json"
    said = json.loads(config.read_text()) if config.exists() else {}
    config.write_text(json.dumps(said | fields))
    (folder / "special_tokens_map.json").write_text(json.dumps(fields))
    convert_tokenizer(folder, family, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "wanted").iterdir())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "wanted" / name).read_bytes()


def test_what_a_config_may_say(older_tokenizer: Older, tmp_path: Path) -> None:
    folder = older(tmp_path / "older", older_tokenizer, "bert")
    said = {"do_lower_case": False, "pad_token": {"content": "[MASK]"}, "model_max_length": 77}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "el"}))
    (folder / "added_tokens.json").write_text(json.dumps({"<uno>": 8, "<dos>": [1]}))
    convert_tokenizer(folder, "bert", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert {name: found[name] for name in said} == said | {"pad_token": "el"}
    vocabulary = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json")).get_vocab()
    assert vocabulary["<uno>"] == 8
    assert "<dos>" not in vocabulary


def test_a_deberta_with_the_older_name_of_its_pieces(
    older_tokenizer: Older, tmp_path: Path
) -> None:
    folder = older(tmp_path / "older", older_tokenizer, "deberta-v2")
    convert_tokenizer(folder, "deberta-v2", tmp_path / "wanted")
    (folder / "spm.model").rename(folder / "spiece.model")
    convert_tokenizer(folder, "deberta-v2", tmp_path / "out")
    one, other = (tmp_path / name / "tokenizer.json" for name in ("out", "wanted"))
    assert one.read_bytes() == other.read_bytes()


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123abcd\nsize 248000\n"
"""What a repository holds in the place of a large file that was not fetched."""


@pytest.mark.parametrize("family", OLDER)
def test_a_file_that_was_not_fetched(older_tokenizer: Older, tmp_path: Path, family: str) -> None:
    folder = older(tmp_path / "older", older_tokenizer, family)
    names = {"vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "spm.model"}
    for path in folder.iterdir():
        if path.name in names:
            path.write_text(POINTER)
    with pytest.raises(BadModel):
        convert_tokenizer(folder, family, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_pieces_that_another_family_numbers(older_tokenizer: Older, tmp_path: Path) -> None:
    folder = older(tmp_path / "older", older_tokenizer, "albert")
    # an XLM-RoBERTa has four special pieces in the place of the first three
    (folder / "spiece.model").rename(folder / "sentencepiece.bpe.model")
    with pytest.raises(BadModel, match=r"other numbers for them"):
        convert_tokenizer(folder, "xlm-roberta", tmp_path / "out")


@pytest.mark.parametrize(
    ("family", "name", "taken"),
    [
        ("bert", "BertTokenizerFast", True),
        ("bert", "BertJapaneseTokenizer", False),
        ("bert", ["BertTokenizer"], False),
        ("distilbert", "DistilBertTokenizer", True),
        ("electra", "BertTokenizer", True),
        ("roberta", "GPT2Tokenizer", False),
        ("albert", "CamembertTokenizer", False),
        ("xlm-roberta", None, True),
        ("deberta-v2", "DebertaV2TokenizerFast", True),
    ],
)
def test_a_tokenizer_is_converted_only_as_the_class_of_its_family(
    older_tokenizer: Older, tmp_path: Path, family: str, name: object, taken: bool
) -> None:
    folder = older(tmp_path / "older", older_tokenizer, family)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    if taken:
        convert_tokenizer(folder, family, tmp_path / "out")
    else:
        with pytest.raises(BadModel, match="tokenizer_class"):
            convert_tokenizer(folder, family, tmp_path / "out")


@pytest.mark.parametrize(
    ("family", "said", "assumed"),
    [
        ("bert", {}, ["do_lower_case", "strip_accents"]),
        ("bert", {"do_lower_case": False, "strip_accents": False}, []),
        ("albert", {"do_lower_case": True}, ["keep_accents"]),
        ("roberta", {}, []),
        ("deberta-v2", {}, ["do_lower_case"]),
    ],
)
def test_what_is_assumed_is_told(
    older_tokenizer: Older, tmp_path: Path, family: str, said: object, assumed: list[str]
) -> None:
    folder = older(tmp_path / "older", older_tokenizer, family)
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    told = convert_tokenizer(folder, family, tmp_path / "out")
    assert [one.rpartition("(")[2] for one in told] == [f"{name})" for name in assumed]
