"""One model of each family, from a hub that has it as the hub of today has models of its age."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from alambique.models.hub import resolve
from alambique.models.networks import Network, load
from alambique.models.sources import check_folder, inspect_repository, locate
from alambique.spec.errors import BadModel, UnknownName, Unreachable
from alambique.spec.outputs import Output
from alambique.spec.sources import Hub

TAGS = ("O", "B-PER")
Saved = Callable[..., Path]
Older = Callable[[Path, str], None]


def with_pickles(folder: Path, shards: int, *, zipped: bool) -> None:
    """Put pickles into the place of the safetensors."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    if shards == 1:
        torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
        return
    split(folder, weights, "pytorch_model", "bin", shards, torch.save)


def with_shards(folder: Path, shards: int) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    split(folder, weights, "model", "safetensors", shards, save_file)


def split(
    folder: Path,
    weights: dict[str, Any],
    stem: str,
    end: str,
    shards: int,
    write: Callable[..., Any],
) -> None:
    index: dict[str, str] = {}
    for number in range(shards):
        file = f"{stem}-0000{number + 1}-of-0000{shards}.{end}"
        part = {name: weights[name] for name in sorted(weights)[number::shards]}
        write(part, folder / file)
        index |= dict.fromkeys(part, file)
    (folder / f"{stem}.{end}.index.json").write_text(json.dumps({"weight_map": index}))


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "bert": lambda folder: with_pickles(folder, 1, zipped=False),
    "roberta": lambda folder: None,
    "albert": lambda folder: with_pickles(folder, 1, zipped=True),
    "distilbert": lambda folder: with_pickles(folder, 2, zipped=True),
    "electra": lambda folder: with_pickles(folder, 1, zipped=False),
    "xlm-roberta": lambda folder: with_shards(folder, 2),
    "deberta-v2": lambda folder: with_pickles(folder, 3, zipped=True),
    "modernbert": lambda folder: with_shards(folder, 2),
    "eurobert": lambda folder: None,
}
"""How the hub has the weights of each."""
NEWER = ("modernbert", "eurobert")
"""Those that come with tokenizer.json, all others with an older tokenizer."""
SLOW = ("roberta", "distilbert", "electra", "xlm-roberta", "deberta-v2")


def same(one: Network, other: Network) -> bool:
    there, here = one.state_dict(), other.state_dict()
    return all(torch.equal(there[name], here[name]) for name in there)


@pytest.mark.parametrize(
    "family",
    [pytest.param(one, marks=[pytest.mark.slow] if one in SLOW else []) for one in LAYOUTS],
)
def test_a_model_as_the_hub_has_it(
    saved: Saved, older_tokenizer: Older, hub: Any, tmp_path: Path, family: str
) -> None:
    folder = saved(family, Output.TAGS, TAGS)
    before = load(folder, Output.TAGS, TAGS)
    LAYOUTS[family](folder)
    if family not in NEWER:
        older_tokenizer(folder, family)
    for name in ("modeling.py", "training_args.bin", "tf_model.h5", "flax_model.msgpack"):
        (folder / name).write_bytes(b"not to be fetched")
    commit = hub.add("team/model", folder, revision="refs/pr/7")

    def get(revision: str) -> Any:
        source = Hub("team/model", revision)
        return locate(source, models=None, cache=tmp_path / "cache", endpoint=hub.endpoint)

    found = get("refs/pr/7")
    assert found.commit == commit
    # of case, accents or both, no file of the others says what becomes of them
    told = family in ("roberta", "xlm-roberta", *NEWER)
    assert any(note.startswith("assumed") for note in found.notes) == (not told)
    fetched = {name.rpartition("/")[2] for name in hub.fetched}
    assert not fetched & {"modeling.py", "training_args.bin", "tf_model.h5", "flax_model.msgpack"}
    if family != "roberta":  # whose pairs of bytes are more than the tiny network has rows
        check_folder(found.folder)
    assert same(load(found.folder, Output.TAGS, TAGS), before)
    tokenizer = Tokenizer.from_file(str(found.folder / "tokenizer.json"))
    text = "El niño de Málaga"
    encoded = tokenizer.encode(text)
    covered = {position for begin, end in encoded.offsets for position in range(begin, end)}
    assert covered >= {position for position, letter in enumerate(text) if letter != " "}
    # from now on it is there, whatever becomes of the hub
    hub.fetched.clear()
    hub.repositories.clear()
    assert get(commit) == found
    assert hub.fetched == []


def test_a_hub_that_goes_away_half_way(
    saved: Saved, hub: Any, serving: Callable[..., str], tmp_path: Path
) -> None:
    hub.add("team/model", saved("bert", Output.TAGS, TAGS))
    away: list[str] = []
    endpoint = serving(  # with a status for which the library does not wait
        lambda path: (501, b"", {}) if any(part in path for part in away) else hub.answer(path)
    )
    source = resolve(Hub("team/model", None), cache=tmp_path, endpoint=endpoint)
    inspect_repository(source, cache=tmp_path, endpoint=endpoint)
    away.append("/tree/")

    def get() -> Any:
        return locate(source, models=None, cache=tmp_path, endpoint=endpoint)

    with pytest.raises(Unreachable, match=r"model\.safetensors"):
        get()
    away.clear()
    check_folder(get().folder)


def test_what_an_earlier_version_fetched_is_found(
    saved: Saved, hub: Any, serving: Callable[..., str], tmp_path: Path
) -> None:
    commit = hub.add("team/model", saved("bert", Output.TAGS, TAGS))

    def get(endpoint: str) -> Any:
        return locate(Hub("team/model", commit), models=None, cache=tmp_path, endpoint=endpoint)

    before = get(hub.endpoint)
    (listing,) = (tmp_path / "listings").rglob("*.json")
    listing.unlink()  # which those kept none of
    assert get(serving(lambda _: (501, b"", {}))) == before
    # nor is another's half of one in the way
    listing.with_name(f"{listing.name}.{os.getpid()}").mkdir()
    assert get(hub.endpoint) == before
    assert json.loads(listing.read_text())


def test_a_shard_that_the_hub_lacks_is_named(saved: Saved, hub: Any, tmp_path: Path) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    with_shards(folder, 2)
    (folder / "model-00002-of-00002.safetensors").unlink()
    commit = hub.add("team/model", folder)
    with pytest.raises(BadModel, match=rf"team/model@{commit}: .*00002-of-00002"):
        inspect_repository(Hub("team/model", commit), cache=tmp_path, endpoint=hub.endpoint)
    assert {name.rpartition("/")[2] for name in hub.fetched} == {
        "config.json",
        "model.safetensors.index.json",
    }


def test_a_repository_without_weights_is_refused(saved: Saved, hub: Any, tmp_path: Path) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    (folder / "model.safetensors").rename(folder / "flax_model.msgpack")
    commit = hub.add("team/model", folder)

    def get(revision: str | None) -> Any:
        source = Hub("team/model", revision)
        return locate(source, models=None, cache=tmp_path / "cache", endpoint=hub.endpoint)

    with pytest.raises(BadModel, match=rf"team/model@{commit}: .*flax_model\.msgpack"):
        get(None)
    with pytest.raises(UnknownName, match="team/model@v9"):
        get("v9")


@pytest.mark.parametrize("wrong", ["quantised", "many files"])
def test_what_is_seen_before_anything_is_fetched(
    saved: Saved, hub: Any, tmp_path: Path, wrong: str
) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    if wrong == "quantised":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {}}))
    else:
        for number in range(10_001):
            (folder / f"{number}.txt").touch()
    hub.add("team/model", folder)
    source = Hub("team/model", None)
    with pytest.raises(BadModel, match=r"quantised|more than the 10,000 files"):
        locate(source, models=None, cache=tmp_path / "cache", endpoint=hub.endpoint)
    assert not any(name.endswith(".safetensors") for name in hub.fetched)


def test_the_first_digits_of_a_commit_are_remembered(
    saved: Saved, hub: Any, tmp_path: Path
) -> None:
    commit = hub.add("team/model", saved("bert", Output.TAGS, TAGS), revision="refs/pr/1")
    source = Hub("team/model", commit[:7])
    found = resolve(source, cache=tmp_path, endpoint=hub.endpoint)
    assert found.revision == commit
    hub.away = True
    with pytest.raises(Unreachable):  # nothing of it is here
        resolve(source, cache=tmp_path, endpoint=hub.endpoint)
    hub.away = False
    locate(found, models=None, cache=tmp_path, endpoint=hub.endpoint)
    hub.away = True
    assert resolve(source, cache=tmp_path, endpoint=hub.endpoint) == found
