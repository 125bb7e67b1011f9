"""A student beside its teacher: there is nothing to learn where they are equal, in any family."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from alambique.distill.activations import LayerOutputs
from alambique.distill.objective import LossNormalizers, objective_loss
from alambique.distill.prediction_rows import class_rows
from alambique.models.configs import Config
from alambique.models.distillation_model import (
    DistillationModel,
    freeze_unreached_weights,
    learned_layer_maps,
    student_weights,
)
from alambique.models.families import family_of
from alambique.models.networks import Network, new
from alambique.models.shapes import resized_config
from alambique.spec.errors import BadSpec
from alambique.spec.objective import Attention, Gold, Hidden, IntermediateLoss, Relations
from alambique.spec.outputs import Output

Batch = tuple[Tensor, Tensor, Tensor]
TERMS: tuple[IntermediateLoss, ...] = (
    Hidden(),
    Hidden(loss="cosine", projection="per-layer", mapping="last"),
    Hidden(loss="pkd", projection="none", embeddings=False),
    Hidden(reduction="textbrewer", mapping=((1, 2),)),
    Attention(mapping="first"),
    Attention(loss="kl", heads="mean"),
    Attention(loss="probability-mse", mapping="skip"),
    Relations(),
    Relations(pairs=("qk", "vv"), heads=2, layer=2),
)
NO_ROWS = class_rows(
    torch.zeros(0, 2), labels_R=torch.zeros(0).long(), target_RC=None, weight_R=torch.zeros(0)
)


def tags(config: Config, seed: int) -> Network:
    return new(config, Output.TAGS, ("a", "b"), seed=seed)


def fitting(config: Config) -> list[IntermediateLoss]:
    """The terms that this architecture can be compared by."""
    scores = family_of(config).dot_product_scores
    return [term for term in TERMS if scores or not isinstance(term, Attention)]


def losses(
    model: DistillationModel, terms: Sequence[IntermediateLoss], batch: Batch, weight_B: Tensor
) -> Tensor:
    model(*batch)
    outputs = model.layer_outputs(*batch, weight_B)
    assert outputs is not None
    return objective_loss(
        NO_ROWS, terms, outputs, normalizers=LossNormalizers(windows=float(weight_B.sum()))
    ).total


def longer(batch: Batch, by: int = 5) -> Batch:
    """The same windows with more padding, of pieces that mean something elsewhere."""
    ids_BN, attention_BN, types_BN = batch
    more = torch.full((len(ids_BN), by), 9)
    grown = [torch.cat((part, more * 0), dim=1) for part in (attention_BN, types_BN)]
    return torch.cat((ids_BN, more), dim=1), grown[0], grown[1]


def only(batch: Batch, window: int) -> Batch:
    """One of the windows."""
    ids_B1N, attention_B1N, types_B1N = (part[window : window + 1] for part in batch)
    return ids_B1N, attention_B1N, types_B1N


def headless(config: Config, seed: int) -> Network:
    return new(config, Output.STATES, (), seed=seed)


def test_weights_that_no_term_reaches_are_frozen(config: Config) -> None:
    """Those of the last layer that come after its queries, keys and values; without a sound."""
    terms = (Relations(),)
    model = DistillationModel(headless(config, 1), headless(config, 2), terms)
    before = torch.get_rng_state()
    freeze_unreached_weights(model.train(), terms)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    family = family_of(config)
    last = (family.layer or "").removeprefix(family.body) + "3."
    frozen = {
        name
        for name, weight in model.network.inner.named_parameters()
        if not weight.requires_grad and "pooler" not in name
    }
    projections = tuple(f"{last}{name}" for name in family.projections)
    if family.layer is None:  # all layers are one, and it is reached
        assert frozen == set()
    else:
        of_last = {n for n, _ in model.network.inner.named_parameters() if n.startswith(last)}
        assert {name for name in of_last if not name.startswith(projections)} - frozen <= {
            name for name in of_last if "attn_norm" in name or "input_layernorm" in name
        }
        assert not [name for name in frozen if name.startswith(projections)]
        assert all(name.startswith(last) or "norm" in name.lower() for name in frozen)


def test_what_hidden_states_reach_is_learnt(config: Config) -> None:
    terms = (Hidden(mapping="learned"),)
    model = DistillationModel(headless(config, 1), headless(config, 2), terms)
    freeze_unreached_weights(model, terms)
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    # the norm after all layers, of those that have one, is in no layer
    after = ("network.inner.final_norm.weight", "network.inner.norm.weight")
    assert all("pooler" in name or name in after for name in frozen)


def test_where_answers_are_learnt_nothing_is_frozen(config: Config) -> None:
    model = DistillationModel(tags(config, 1), tags(config, 2), (Relations(),))
    freeze_unreached_weights(model, (Relations(), Gold()))
    assert all(weight.requires_grad for weight in model.parameters())


def test_the_teacher_s_own_answer_stands_beside(config: Config, batch: Batch) -> None:
    model = DistillationModel(headless(config, 1), headless(config, 2), (Hidden(),)).eval()
    model(*batch)
    outputs = model.layer_outputs(*batch, torch.ones(2))
    assert outputs is not None
    with torch.no_grad():
        expected_BND = headless(config, 2)(*batch)
    assert torch.equal(outputs.teacher_output_BNC, expected_BND)


def test_of_equal_networks_there_is_nothing_to_learn(config: Config, batch: Batch) -> None:
    for term in fitting(config):
        if not isinstance(term, Relations) and term.mapping in ("skip", "first", ((1, 2),)):
            term = term.model_copy(update={"mapping": "uniform"})
        if isinstance(term, Relations):
            term = term.model_copy(update={"layer": None})
        model = DistillationModel(tags(config, 1), tags(config, 1), [term])
        value = losses(model, [term], batch, torch.ones(2))
        torch.autograd.backward(value)
        assert value.abs() < 1e-6, term
        for name, weight in model.named_parameters():
            assert weight.grad is None or weight.grad.abs().max() < 1e-5, (term, name)


def test_of_others_every_term_teaches_layers(config: Config, batch: Batch) -> None:
    student = resized_config(config, layers=3)
    for term in fitting(config):
        model = DistillationModel(tags(student, 1), tags(config, 2), [term])
        value = losses(model, [term], batch, torch.ones(2))
        torch.autograd.backward(value)
        assert value > 0, term
        taught = [w for w in model.network.parameters() if w.grad is not None and w.grad.any()]
        assert any(weight.ndim == 2 for weight in taught), term


def test_padding_and_windows_beside_change_no_value(config: Config, batch: Batch) -> None:
    student = resized_config(config, layers=2)
    for term in fitting(config):
        if not isinstance(term, Relations) and term.mapping == ((1, 2),):
            continue  # of TextBrewer: a mean over the tokens of all windows
        model = DistillationModel(tags(student, 1), tags(config, 2), [term])
        both = losses(model, [term], batch, torch.ones(2))
        padded = losses(model, [term], longer(batch), torch.ones(2))
        each = [losses(model, [term], only(batch, window), torch.ones(1)) for window in range(2)]
        stand_in = losses(model, [term], batch, torch.tensor([1.0, 0.0]))
        torch.testing.assert_close(padded, both, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(sum(each, torch.zeros(())) / 2, both, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(stand_in, each[0], rtol=1e-4, atol=1e-6)


def test_a_wider_teacher_is_met_through_a_projection(
    tiny: Callable[[str], Config], batch: Batch
) -> None:
    config = tiny("bert")
    student = resized_config(config, layers=2, width=8)
    for projection, names in (("shared", 1), ("per-layer", 3)):
        term = Hidden.model_validate({"projection": projection})
        model = DistillationModel(tags(student, 1), tags(config, 2), [term])
        assert len(model.projection_heads.projections) == names
        torch.autograd.backward(losses(model, [term], batch, torch.ones(2)))
        assert all(weight.grad is not None for weight in model.projection_heads.parameters())
        state = model.state_dict()
        assert student_weights(state).keys() == model.network.state_dict().keys()
        assert len(state) == len(student_weights(state)) + 2 * names
    with pytest.raises(BadSpec) as caught:
        DistillationModel(tags(student, 1), tags(config, 2), [Hidden(projection="none")])
    assert [bad.path for bad in caught.value.fields] == ["hidden.projection"]


def states_of(network: Network, batch: Batch) -> list[Tensor]:
    """The embeddings' and each layer's, as transformers tells them."""
    inputs = dict(zip(("input_ids", "attention_mask", "token_type_ids"), batch, strict=True))
    inner: Any = network.inner.base_model
    return list(inner(**inputs, output_hidden_states=True).hidden_states)


def test_through_the_identity_it_is_the_mean_squared_difference(
    tiny: Callable[[str], Config], batch: Batch
) -> None:
    """Of real tokens; added up over the embeddings and two layers, the mean over windows."""
    config = tiny("bert")
    student, teacher = tags(resized_config(config, layers=2), 1), tags(config, 2)
    term = Hidden(projection="shared")
    value = losses(DistillationModel(student, teacher, [term]), [term], batch, torch.ones(2))
    ours, theirs = states_of(student, batch), states_of(teacher, batch)
    expected = [
        torch.nn.functional.mse_loss(ours[i][window, :length], theirs[j][window, :length])
        for i, j in ((0, 0), (1, 2), (2, 4))
        for window, length in enumerate(batch[1].sum(1).tolist())
    ]
    torch.testing.assert_close(value, torch.stack(expected).sum() / 2)
    assert value > 0.1


def test_a_map_that_is_learnt_finds_the_layer_that_is_alike(
    tiny: Callable[[str], Config], batch: Batch
) -> None:
    config = tiny("bert")
    teacher = tags(config, 2)
    term = Hidden(mapping="learned", projection="none", embeddings=False)
    student = tags(resized_config(config, layers=3), 1)
    # its three layers are the teacher's first three: the map begins at 0, 2 and 3
    student.load_state_dict({name: teacher.state_dict()[name] for name in student.state_dict()})
    model = DistillationModel(student, teacher, [term])
    student.requires_grad_(False)
    optimizer = torch.optim.Adam(model.projection_heads.parameters(), lr=0.3)
    for _ in range(40):
        optimizer.zero_grad()
        torch.autograd.backward(losses(model, [term], batch, torch.ones(2)))
        optimizer.step()
    weights = torch.tensor(learned_layer_maps(model.state_dict())["hidden"])
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert weights.argmax(1).tolist() == [0, 1, 2]
    assert (weights.max(1).values > 0.8).all()


def test_alone_it_is_the_student_and_nothing_else(config: Config, batch: Batch) -> None:
    network = tags(config, 1)
    model = DistillationModel(network)
    assert torch.equal(model(*batch), network(*batch))
    assert model.layer_outputs(*batch, torch.ones(2)) is None
    assert student_weights(model.state_dict()).keys() == network.state_dict().keys()


def test_the_teacher_is_neither_trained_nor_part_of_it(tiny: Callable[[str], Config]) -> None:
    config = tiny("albert")
    teacher = tags(config, 2).train()
    model = DistillationModel(tags(config, 1), teacher, [Relations()])
    assert not teacher.training
    assert not any(weight.requires_grad for weight in teacher.parameters())
    assert len(list(model.parameters())) == len(list(model.network.parameters()))


def test_pairs_out_of_a_local_layer_s_reach_teach_nothing(
    tiny: Callable[[str], Config], batch: Batch
) -> None:
    """Its attention has no such scores: what queries and keys would make of them is chance."""
    config = tiny("modernbert")
    model = DistillationModel(
        tags(config, 1), tags(config, 2), [Attention(mapping=((1, 1), (3, 3)))]
    )
    model(*batch)
    outputs = model.layer_outputs(*batch, torch.ones(2))
    assert outputs is not None
    assert outputs.student.reach == {1: 4, 2: 4}
    near = changed_scores(outputs, layer=1)
    everywhere = changed_scores(outputs, layer=3)
    assert near == 4
    assert everywhere == 23


def changed_scores(outputs: LayerOutputs, layer: int) -> int:
    """How far from the first token of the first window a key matters to what it learns."""
    term = Attention(mapping=((layer, layer),))
    one = outputs.student.qkv[layer]
    queries_BND = torch.zeros_like(one.queries_BND)
    queries_BND[0, 0] = one.queries_BND[0, 0].detach()
    keys_BND = one.keys_BND.detach().requires_grad_()
    of_teacher = outputs.teacher.qkv[layer]
    still = replace(of_teacher, queries_BND=torch.zeros_like(of_teacher.queries_BND))
    alone = replace(
        outputs,
        student=replace(
            outputs.student,
            qkv={layer: replace(one, queries_BND=queries_BND, keys_BND=keys_BND)},
        ),
        teacher=replace(outputs.teacher, qkv={layer: still}),
    )
    (gradient_BND,) = torch.autograd.grad(objective_loss(NO_ROWS, [term], alone).total, keys_BND)
    return int(gradient_BND[0].abs().sum(1).nonzero().max())
