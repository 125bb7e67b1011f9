import json
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer

from alambique.runtime.frames import pair_frame, read_tokenizer, single_frame
from alambique.runtime.windows import Encoder
from alambique.spec.errors import BadModel


def _saved(folder: Path, tokenizer: Tokenizer, **config: object) -> Path:
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return folder


def test_frames_are_what_the_tokenizer_adds(tokenizers: dict[str, Tokenizer]) -> None:
    frame = single_frame(tokenizers["wordpiece"])
    assert (frame.before.ids.tolist(), frame.after.ids.tolist()) == ([2], [3])
    assert (frame.size, frame.text_types) == (2, (0,))
    frame = pair_frame(tokenizers["wordpiece"])
    assert frame.between.ids.tolist() == [3]
    assert (frame.after.types.tolist(), frame.text_types) == ([1], (0, 1))
    assert pair_frame(tokenizers["bytebpe"]).size == 4


def test_a_tokenizer_without_a_special_piece_in_front_is_refused() -> None:
    bare = Tokenizer(models.WordPiece({"a": 0, "<unk>": 1}, unk_token="<unk>"))
    with pytest.raises(BadModel, match="post_processor"):
        single_frame(bare)


@pytest.mark.parametrize("pad_token", ["<pad>", {"content": "<pad>", "lstrip": False}])
def test_a_folder_is_read_with_its_padding(
    tmp_path: Path, tokenizers: dict[str, Tokenizer], pad_token: object
) -> None:
    encoder = Encoder.from_folder(
        _saved(tmp_path, tokenizers["unigram"], pad_token=pad_token), max_length=32, stride=4
    )
    assert encoder.pad_id == 0
    windows = Encoder.of(tokenizers["unigram"], max_length=32, stride=4, pad_id=0).words(["río"])
    assert encoder.words(["río"])[0].input_ids_N.tolist() == windows[0].input_ids_N.tolist()


def test_truncation_and_padding_of_the_folder_are_left_out(
    tmp_path: Path, tokenizers: dict[str, Tokenizer]
) -> None:
    saved = Tokenizer.from_str(tokenizers["wordpiece"].to_str())
    saved.enable_truncation(4)
    saved.enable_padding(pad_id=1, pad_token="<unk>", length=64)
    tokenizer, pad_id = read_tokenizer(_saved(tmp_path, saved))
    assert len(tokenizer.encode("El río Ebro nace en Fontibre").ids) not in (4, 64)
    assert pad_id == 1


def test_options_of_the_configuration_outweigh_the_normaliser(
    tmp_path: Path, tokenizers: dict[str, Tokenizer]
) -> None:
    folder = _saved(tmp_path, tokenizers["wordpiece"], do_lower_case=True, strip_accents=True)
    tokenizer, _ = read_tokenizer(folder)
    assert tokenizer.normalizer.normalize_str("RÍO") == "rio"


@pytest.mark.parametrize("told", [{}, {"add_prefix_space": False}, {"add_prefix_space": True}])
@pytest.mark.parametrize("written", [False, True])
def test_a_text_begins_a_word_where_transformers_says_so(
    tmp_path: Path, tokenizers: dict[str, Tokenizer], written: bool, told: dict[str, bool]
) -> None:
    """Its RobertaTokenizer does not look at what tokenizer.json says of that."""
    saved = Tokenizer.from_str(tokenizers["bytebpe"].to_str())
    saved.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=written)
    special = {"pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>"}
    folder = _saved(tmp_path, saved, tokenizer_class="RobertaTokenizer", **special, **told)
    (folder / "config.json").write_text('{"model_type": "roberta"}')
    theirs = AutoTokenizer.from_pretrained(folder)
    encoder = Encoder.from_folder(folder, max_length=32, stride=4)
    assert (
        encoder.texts("río Ebro").input_ids_N.tolist()[1:-1]
        == theirs("río Ebro")["input_ids"][1:-1]
    )


@pytest.mark.parametrize("told", [{}, {"tokenizer_class": "RobertaTokenizer"}])
@pytest.mark.parametrize("nested", [False, True])
def test_words_that_were_split_before_begin_with_a_space_whatever_the_folder_says(
    tmp_path: Path, tokenizers: dict[str, Tokenizer], nested: bool, told: dict[str, str]
) -> None:
    """Else "río" would be in the middle of "El río" other pieces than at its start."""
    saved = Tokenizer.from_str(tokenizers["bytebpe"].to_str())
    bare = pre_tokenizers.ByteLevel(add_prefix_space=False)
    saved.pre_tokenizer = pre_tokenizers.Sequence([bare]) if nested else bare
    folder = _saved(tmp_path, saved, pad_token="<pad>", add_prefix_space=False, **told)
    encoder = Encoder.from_folder(folder, max_length=32, stride=4)
    (window,) = encoder.words(["El", "río"])
    pieces = [str(encoder.tokenizer.id_to_token(n)) for n in window.input_ids_N.tolist()]
    assert "".join(pieces) == "<s>ĠElĠrÃŃo</s>"


@pytest.mark.parametrize("normalised", [False, True])
def test_words_of_a_tokenizer_that_splits_before_bytes(
    tmp_path: Path, tokenizers: dict[str, Tokenizer], normalised: bool
) -> None:
    """As Llama 3's and EuroBERT's do: words are what they are in running text."""
    saved = Tokenizer.from_str(tokenizers["bytebpe"].to_str())
    split = Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+")
    saved.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(split, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    if normalised:
        saved.normalizer = normalizers.NFC()
    encoder = Encoder.from_folder(
        _saved(tmp_path, saved, pad_token="<pad>"), max_length=99, stride=4
    )
    words = ["Zaragoza,", "3-1;", "(río)", "1234", "d'Ebro"]
    (window,) = encoder.words(words)
    expected = encoder.tokenizer.encode(" " + " ".join(words), add_special_tokens=False).ids
    assert window.input_ids_N.tolist()[1:-1] == expected
    assert sorted(set(window.first_word_N.tolist())) == [-1, 0, 1, 2, 3, 4]
    assert window.offsets_N2.max() == len(words[0])


@pytest.mark.parametrize(("told", "pads"), [(3, 3), (10_000, None), ("3", None), (2**70, None)])
def test_a_config_may_say_which_piece_pads(
    tmp_path: Path, tokenizers: dict[str, Tokenizer], told: object, pads: int | None
) -> None:
    """A EuroBERT may pad with the piece that ends a text; no name of it is told."""
    content = tokenizers["bytebpe"].to_str().replace("<pad>", "<void>")
    folder = _saved(tmp_path, Tokenizer.from_str(content))
    (folder / "config.json").write_text(json.dumps({"pad_token_id": told}))
    if pads is None:
        with pytest.raises(BadModel, match="padding"):
            read_tokenizer(folder)
    else:
        assert read_tokenizer(folder)[1] == pads


def test_what_cannot_be_read_is_a_bad_model(
    tmp_path: Path, tokenizers: dict[str, Tokenizer]
) -> None:
    with pytest.raises(BadModel, match=r"has no tokenizer\.json: save the tokenizer"):
        read_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": 3}', "utf-8")
    with pytest.raises(BadModel, match=r"tokenizer\.json is no tokenizer"):
        read_tokenizer(tmp_path)
    bare = Tokenizer(models.WordPiece({"a": 0, "<unk>": 1}, unk_token="<unk>"))
    with pytest.raises(BadModel, match="has no padding piece"):
        read_tokenizer(_saved(tmp_path, bare))
