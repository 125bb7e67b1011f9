"""Teachers and students as networks: the one typed edge over transformers.

Shapes: B windows of a batch, N pieces of the longest, C classes.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    MODEL_MAPPING,
    AutoConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging

from alambique.models.configs import Config, labels_of, read_config, with_dropout, with_labels
from alambique.models.families import FAMILIES, family_of
from alambique.models.weights import TOKENIZER_FILES, tensors_of, weight_files
from alambique.spec.errors import BadModel
from alambique.spec.outputs import Output

_CLASSES: Mapping[Output, Any] = {
    Output.SPAN: MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    Output.TAGS: MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    Output.CLASSES: MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    Output.SCORE: MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    Output.STATES: MODEL_MAPPING,
}
"""From the class of a config to that of the network that answers so, where transformers has one."""
_CANNOT_BUILD = (
    *(StrictDataclassError, RuntimeError, ValueError, LookupError, ArithmeticError),
    AssertionError,  # torch, where the id of the padding is outside the vocabulary
)
"""What transformers raises at a config that makes no sense, or at weights of other sizes."""
_NOT_PASSED_ON = ("auto_map", "problem_type")
"""The fields that name code of the repository's own, which is not run, and what its own head was
trained for."""
PREFIX = "inner."
"""What the names of a network's weights have before those of transformers."""


class Network(nn.Module):
    """A teacher or a student with the head of its task, or with none."""

    def __init__(
        self,
        inner: PreTrainedModel,
        output: Output,
        *,
        exported: PreTrainedConfig,
        head_present: bool,
        missing: Sequence[str] = (),
        unexpected: Sequence[str] = (),
    ) -> None:
        """Wrap a model of transformers whose class gives `output`."""
        super().__init__()
        self.exported = exported
        """The config that is written with it: dropout is the training's matter, and stays out."""
        self.inner = inner
        self.output = output
        self._takes_types = _takes_types(self.config)
        self._spans_as_tags = family_of(self.config).spans_as_tags
        self.head_present = head_present
        """Whether the head was in the file, for these labels; else it is newly initialised."""
        self.missing = tuple(missing)
        """Names of weights that the file has not, which are newly initialised."""
        self.unexpected = tuple(unexpected)
        """Names of weights of the file that the network has no use for."""
        family = family_of(self.config)
        if not output.has_head and family.pooler:
            # nothing reads what it makes, and so it learns nothing
            inner.get_submodule(family.pooler[len(family.body) : -1]).requires_grad_(False)

    @property
    def config(self) -> dict[str, Any]:
        """The fields of its config.json."""
        return dict(self.inner.config.to_dict())

    @property
    def body(self) -> str:
        """What the names of the body's weights begin with in the state of `inner`."""
        # without a head the body is all there is
        return family_of(self.config).body if self.output.has_head else ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its classes, in order."""
        names: Any = self.inner.config.id2label if self.output.has_head else {}
        return tuple(names[number] for number in range(len(names)))

    def forward(self, input_ids_BN: Tensor, attention_BN: Tensor, type_ids_BN: Tensor) -> Tensor:
        """Return the logits (B, N, C), float32; (B, 1, C) where they are of the whole text.

        The two columns of a span are its start and its end, the one of a score is the score
        itself. Without a head: the last states, of
        as many columns as the network is wide.
        """
        if self.output.is_per_text:
            attention_BN = _never_empty(attention_BN)
        inputs = {"input_ids": input_ids_BN, "attention_mask": attention_BN}
        if self._takes_types:
            inputs["token_type_ids"] = type_ids_BN
        answer = self.inner(**inputs)
        match self.output:
            case Output.SPAN if not self._spans_as_tags:
                logits_BNC = torch.stack((answer.start_logits, answer.end_logits), dim=-1)
            case Output.SPAN | Output.TAGS:
                logits_BNC = answer.logits
            case Output.CLASSES | Output.SCORE:
                logits_BNC = answer.logits[:, None]
            case Output.STATES:
                logits_BNC = answer.last_hidden_state
        return logits_BNC.float()


def _takes_types(config: Config) -> bool:
    # with a single type, as in some RoBERTa and older BERT, the second text's would be out of range
    return family_of(config).token_types and config["type_vocab_size"] > 1


def _never_empty(attention_BN: Tensor) -> Tensor:
    """Return the attention mask with the first piece seen in each row of padding alone.

    Such a row counts for nothing, but the mean over no pieces that a ModernBERT may take is no
    number, and neither is nothing times that.
    """
    empty_B1 = attention_BN.sum(dim=1, keepdim=True) == 0
    return torch.cat((attention_BN[:, :1] + empty_B1, attention_BN[:, 1:]), dim=1)


def load(
    folder: Path,
    output: Output,
    labels: Sequence[str],
    *,
    seed: int = 0,
    dropout: float | None = None,
) -> Network:
    """Return the network of a model folder, in float32 and evaluation mode.

    The head is that of the file where it answers the same question with the same classes, its
    classes reordered where they are a permutation; else it is new, and `head_present` is False.
    For hidden states there is none to lack; a pooler that the file has not is new.

    Args:
        folder: config.json and safetensors, see `sources.check_folder`.
        output: what it is to answer.
        labels: the classes, in the order of the data; none for hidden states.
        seed: of a new head; torch's own generator is left as it was.
        dropout: in place of every dropout that the config names.

    Raises:
        BadModel: the weights are not those of the network that the config describes.
    """
    config, weights = read_config(folder), _read_weights(folder)
    try:
        fields = _transformers_config(config, output, labels, dropout)
        inner, missing, unexpected = _filled(fields, weights, config, output, labels, seed)
    except _CANNOT_BUILD as error:
        raise BadModel(f"the weights in {folder} do not fit its config.json: {error}") from error
    if lost := missing_body_weights(missing, config):
        raise BadModel(
            f"{folder} lacks {len(lost)} weights of the network that its config.json describes, "
            f"such as {lost[0]}: the file is of another kind of model, or damaged"
        )
    exported = _transformers_config(config, output, labels)
    present = not missing or not output.has_head
    return Network(
        inner,
        output,
        exported=exported,
        head_present=present,
        missing=sorted(missing),
        unexpected=sorted(unexpected),
    ).eval()


def _filled(
    fields: PreTrainedConfig,
    weights: Mapping[str, Tensor],
    config: Config,
    output: Output,
    labels: Sequence[str],
    seed: int,
) -> tuple[PreTrainedModel, set[str], set[str]]:
    """Return a model with the weights of a file, the names that it lacked, and those left over.

    Those that it lacked are drawn anew, and named as in a network with a head.
    """
    kind = _class_for(output, fields)
    state = _with_head_for(labels, weights, config, output, kind.__name__)
    with _seeded(seed), _quietly():
        inner, report = kind.from_pretrained(
            None, config=fields, state_dict=state, dtype=torch.float32, output_loading_info=True
        )
    above = "" if output.has_head else family_of(config).body
    missing = {f"{above}{name}" for name in report["missing_keys"]}
    return inner, missing, set(report["unexpected_keys"])


def new(config: Config, output: Output, labels: Sequence[str], *, seed: int) -> Network:
    """Return a network with random weights, drawn from `seed` as its architecture prescribes."""
    fields = _transformers_config(config, output, labels)
    with _seeded(seed), _quietly():
        inner = _class_for(output, fields)._from_config(fields, dtype=torch.float32)
    return Network(inner, output, exported=fields, head_present=False).eval()


def save(network: Network, folder: Path, tokenizer: Path) -> None:
    """Write a folder that plain transformers loads: config, weights, tokenizer.

    Args:
        network: whole, on one device; of a sharded one, gather the weights and `write` them.
        folder: made if it is not there.
        tokenizer: the folder whose tokenizer files are copied.

    Raises:
        BadModel: the file that was written does not hold every weight whole.
    """
    write(network.state_dict(), like=network, folder=folder, tokenizer=tokenizer)


def write(state: Mapping[str, Tensor], *, like: Network, folder: Path, tokenizer: Path) -> None:
    """Write weights gathered on one process, as `save` writes those of a network.

    They are read back: under ZeRO-3 a process that saves its own part writes tensors of shape (0,)
    without a word.

    Raises:
        BadModel: a weight is missing or not whole.
    """
    weights = {
        name.removeprefix(PREFIX): tensor.detach().to("cpu", torch.float32).contiguous().clone()
        for name, tensor in state.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    like.exported.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file() and tokenizer.resolve() != folder.resolve():
            shutil.copyfile(tokenizer / name, folder / name)
    _check_whole(folder / "model.safetensors", like)


def _check_whole(path: Path, like: Network) -> None:
    # not the shapes of `like` itself, which under ZeRO-3 are (0,) too
    with torch.device("meta"):
        expected = {
            name: tuple(tensor.shape)
            for name, tensor in type(like.inner)(like.inner.config).state_dict().items()
        }
    found = {tensor.name: tensor.shape for tensor in tensors_of(path)}
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise BadModel(
                f"{path} holds {name} as {found.get(name)}, the network has it as "
                f"{expected.get(name)}: gather all weights on one process before writing them"
            )


def _transformers_config(
    config: Config, output: Output, labels: Sequence[str], dropout: float | None = None
) -> PreTrainedConfig:
    fields = {k: v for k, v in with_labels(config, labels).items() if k not in _NOT_PASSED_ON}
    if output is Output.SCORE:
        # without it a pipeline of transformers would put a score through a sigmoid
        fields["problem_type"] = "regression"
    built: PreTrainedConfig = AutoConfig.for_model(**fields)
    if dropout is not None:
        # of the whole config: the file need not name the ones that have their default
        built = AutoConfig.for_model(**with_dropout(built.to_dict(), dropout))
    built._attn_implementation = family_of(config).attention
    built.architectures = [_class_for(output, built).__name__]
    return built


def _class_for(output: Output, fields: PreTrainedConfig) -> Any:
    """Return the class of transformers that gives this output."""
    as_tags = output is Output.SPAN and FAMILIES[fields.model_type].spans_as_tags
    return _CLASSES[Output.TAGS if as_tags else output][type(fields)]


def _read_weights(folder: Path) -> dict[str, Tensor]:
    return {
        name: tensor for path in weight_files(folder) for name, tensor in load_file(path).items()
    }


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw numbers on the CPU from `seed` inside; restore torch's generators afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep transformers from reporting on stderr inside: a new head is expected here."""
    reports: Any = logging  # its functions carry no types
    verbosity, bars = reports.get_verbosity(), reports.is_progress_bar_enabled()
    reports.set_verbosity_error()
    reports.disable_progress_bar()
    try:
        yield
    finally:
        reports.set_verbosity(verbosity)
        if bars:
            reports.enable_progress_bar()


def _with_head_for(
    labels: Sequence[str], state: Mapping[str, Tensor], config: Config, output: Output, kind: str
) -> dict[str, Tensor]:
    """Return the weights of a file with its last layer for these labels, or without a last layer.

    The classes of the last layer are put in the order of the labels. It is left out if it answers
    another question, or other labels. The first of the two layers of a head for whole texts knows
    nothing of the classes, and is always kept. If the output has no head, all weights are returned.

    Args:
        labels: the classes, in the order of the data.
        state: the weights.
        config: the config beside them.
        output: what the network is to answer.
        kind: the name of the class of transformers that answers so.
    """
    last = family_of(config).output_layer.get(output)
    if last is None:
        return dict(state)
    head = {f"{last}.weight", f"{last}.bias"} & state.keys()
    order = _class_order(labels, config, output, kind)
    if order is None or any(len(state[name]) != len(labels) for name in head):
        return {name: tensor for name, tensor in state.items() if name not in head}
    return {name: tensor[order] if name in head else tensor for name, tensor in state.items()}


def missing_body_weights(missing: Iterable[str], config: Config) -> list[str]:
    """Return those of the missing weights that no new head can make up for."""
    family = family_of(config)
    return sorted(
        name
        for name in missing
        if name.startswith(family.body) and not (family.pooler and name.startswith(family.pooler))
    )


def _class_order(
    labels: Sequence[str], config: Config, output: Output, kind: str
) -> list[int] | None:
    """Return where the head of a file has each label; None if it answers something else."""
    named = labels_of(config)
    if named is None and output is Output.SPAN and family_of(config).spans_as_tags:
        return None  # the head of any tagger of two classes looks the same
    stored = named or tuple(labels)
    if kind not in (config.get("architectures") or [kind]):
        return None
    return [stored.index(label) for label in labels] if set(stored) == set(labels) else None
