"""Networks: what they answer, which head they get, how they are written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from alambique.models.networks import Network, load, new, save, write
from alambique.spec.errors import BadModel
from alambique.spec.outputs import Output

Batch = tuple[Tensor, Tensor, Tensor]
Saved = Callable[..., Path]
SPAN = ("start", "end")
TAGS = ("O", "B-PER", "I-PER")


@torch.no_grad()
def answer(network: Network, batch: Batch) -> Tensor:
    logits_BNC: Tensor = network(*batch)
    return logits_BNC


def equal_weights(one: Network, other: Network, *, but: str = "-") -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    return all(torch.equal(ours[name], theirs[name]) for name in ours if but not in name)


def edit(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


def say(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_row_of_padding_alone_is_finite_with_its_gradient(
    saved: Saved, batch: Batch, kind: str
) -> None:
    ids_BN, attention_BN, types_BN = batch
    attention_BN[1] = 0
    network = load(saved(kind, Output.SPAN, SPAN), Output.SPAN, SPAN)
    logits_BNC = network(ids_BN, attention_BN, types_BN)
    assert logits_BNC.isfinite().all()
    for gradient in torch.autograd.grad(logits_BNC.sum(), list(network.parameters())):
        assert gradient.isfinite().all()


def test_padding_does_not_change_what_is_said(saved: Saved, batch: Batch, kind: str) -> None:
    network = load(saved(kind, Output.TAGS, TAGS), Output.TAGS, TAGS)
    ids_BN, attention_BN, types_BN = (tensor_BN[1:, :20] for tensor_BN in batch)
    alone_NC = answer(network, (ids_BN, attention_BN, types_BN))[0]
    torch.testing.assert_close(alone_NC, answer(network, batch)[1, :20], rtol=0, atol=1e-5)


def test_new_draws_from_its_seed_alone(saved: Saved, kind: str) -> None:
    config = load(saved(kind, Output.TAGS, TAGS), Output.TAGS, TAGS).config
    before = torch.get_rng_state()
    one, same, other = (new(config, Output.TAGS, TAGS, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert equal_weights(one, same)
    assert not equal_weights(one, other)
    assert not one.head_present


def test_an_encoder_without_a_head_and_without_a_prefix(saved: Saved, kind: str) -> None:
    folder = saved(kind, Output.TAGS, TAGS)
    whole = load(folder, Output.TAGS, TAGS)
    prefix = f"{whole.inner.base_model_prefix}."
    say(folder, architectures=None)
    edit(
        folder,
        lambda state: {
            name.removeprefix(prefix): tensor
            for name, tensor in state.items()
            if name.startswith(prefix)
        },
    )
    network = load(folder, Output.TAGS, TAGS)
    assert not network.head_present
    ours, theirs = network.state_dict(), whole.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if f".{prefix}" in name)


def test_the_old_names_of_norms_are_read(saved: Saved) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    whole = load(folder, Output.TAGS, TAGS)
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
        for now, then in old.items():
            state = {name.replace(now, then): tensor for name, tensor in state.items()}
        return state

    edit(folder, renamed)
    assert equal_weights(load(folder, Output.TAGS, TAGS), whole)


def embeds(name: str) -> bool:
    return "embeddings" in name or "embed_tokens" in name


def test_dropout_takes_the_place_of_every_dropout(saved: Saved, kind: str) -> None:
    network = load(saved(kind, Output.TAGS, TAGS), Output.TAGS, TAGS, dropout=0.25)
    said = {name: value for name, value in network.config.items() if "dropout" in name}
    assert len(said) >= (1 if kind == "eurobert" else 3)
    assert set(said.values()) == {0.25}
    modules = [module.p for module in network.modules() if isinstance(module, torch.nn.Dropout)]
    assert set(modules) == (set() if kind == "eurobert" else {0.25})  # of its attention alone


def test_loading_says_nothing(saved: Saved, capfd: pytest.CaptureFixture[str]) -> None:
    load(saved("modernbert", Output.TAGS, TAGS), Output.SPAN, SPAN)
    assert capfd.readouterr() == ("", "")


def test_weights_that_are_not_there_are_an_error(saved: Saved, kind: str) -> None:
    folder = saved(kind, Output.TAGS, TAGS)
    edit(folder, lambda state: {n: t for n, t in state.items() if not embeds(n)})
    with pytest.raises(BadModel, match=r"\d+ weights .*embed"):
        load(folder, Output.TAGS, TAGS)


def test_weights_of_another_size_are_an_error(saved: Saved, kind: str) -> None:
    folder = saved(kind, Output.TAGS, TAGS)
    say(folder, **{"hidden_dim" if kind == "distilbert" else "intermediate_size": 32})
    with pytest.raises(BadModel, match=r"do not fit its config\.json"):
        load(folder, Output.TAGS, TAGS)


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden_size": "many"},
        {"num_attention_heads": 3},
        {"num_attention_heads": 0},
        {"pad_token_id": 500},
    ],
)
def test_a_config_that_makes_no_sense_is_an_error(saved: Saved, fields: dict[str, object]) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    say(folder, **fields)
    with pytest.raises(BadModel, match=r"config\.json"):
        load(folder, Output.TAGS, TAGS)


def test_no_code_of_a_repository_is_named_on(saved: Saved, tokenizer_folder: Path) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    say(folder, auto_map={"AutoModel": "modeling.Evil"}, attn_implementation="eager")
    network = load(folder, Output.TAGS, TAGS)
    assert network.inner.config._attn_implementation == "sdpa"
    save(network, folder, tokenizer_folder)
    assert "auto_map" not in (folder / "config.json").read_text()


def test_weights_in_shards_are_read(saved: Saved) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    whole = load(folder, Output.TAGS, TAGS)
    in_shards(folder)
    assert equal_weights(load(folder, Output.TAGS, TAGS), whole)


def in_shards(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    shards = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(state)}
    for shard in set(shards.values()):
        save_file({name: state[name] for name in state if shards[name] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))


def test_a_gathered_state_is_written_whole_and_in_float32(
    saved: Saved, tmp_path: Path, tokenizer_folder: Path
) -> None:
    network = load(saved("modernbert", Output.SPAN, SPAN), Output.SPAN, SPAN)
    gathered = {name: tensor.bfloat16() for name, tensor in network.state_dict().items()}
    for weight in network.parameters():
        weight.data = torch.empty(0)  # as ZeRO-3 leaves them between uses
    write(gathered, like=network, folder=tmp_path / "out", tokenizer=tokenizer_folder)
    again = load(tmp_path / "out", Output.SPAN, SPAN)
    assert again.head_present
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, gathered[name].float())


def test_weights_that_are_not_whole_are_an_error(
    saved: Saved, tmp_path: Path, tokenizer_folder: Path, kind: str
) -> None:
    network = load(saved(kind, Output.SPAN, SPAN), Output.SPAN, SPAN)
    state = network.state_dict()
    name = next(name for name in state if embeds(name))
    empty = state | {name: torch.empty(0)}
    for broken in (empty, {n: t for n, t in state.items() if n != name}):
        with pytest.raises(BadModel, match="gather all weights"):
            write(broken, like=network, folder=tmp_path / "out", tokenizer=tokenizer_folder)


def test_saving_over_itself_keeps_the_tokenizer(saved: Saved) -> None:
    folder = saved("bert", Output.SPAN, SPAN)
    network = load(folder, Output.SPAN, SPAN)
    save(network, folder, folder)
    assert equal_weights(load(folder, Output.SPAN, SPAN), network)
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
