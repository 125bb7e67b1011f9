"""Where a model comes from: the forms of `model`, a closed union."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, assert_never

from pydantic import AfterValidator, Field

from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short
from alambique.spec.fields import Layers, Spec, Vocabulary, Width

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")  # a folder's has no more
WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
"""The hub takes no longer ones, and neither does a name of ours."""
REVISION = r"(?!.*(?:\.\.|//))[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,253}[A-Za-z0-9._-])?"
"""As git names a branch or a tag, and the hub the changes that are proposed: refs/pr/7."""
_HUB = re.compile(rf"({WORD}/{WORD})(?:@({REVISION}))?")
_COMMIT = re.compile("[0-9a-f]{40}")
_REGISTERED = re.compile(rf"registry:({WORD})@({WORD})")


class Architecture(Spec):
    """A network from scratch, with a tokenizer of its own trained on the job's texts."""

    architecture: Literal[
        "bert",
        "roberta",
        "albert",
        "distilbert",
        "electra",
        "xlm-roberta",
        "deberta-v2",
        "modernbert",
        "eurobert",
    ]
    layers: Layers
    width: Width
    heads: Width
    ffn: Width
    vocabulary: Vocabulary = 8000


@dataclass(frozen=True, slots=True)
class Hub:
    """A repository of the hub, at a commit, tag, branch or proposed change, or at its newest."""

    repository: str
    revision: str | None

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, which is the same for ever."""
        return is_commit(self.revision)


@dataclass(frozen=True, slots=True)
class Registered:
    """A model of this registry, by version number or alias, or its newest by `latest`."""

    name: str
    version: str

    @property
    def is_pinned(self) -> bool:
        """Whether it is one version, which is the same for ever; an alias can be moved."""
        return self.version.isascii() and self.version.isdecimal()


@dataclass(frozen=True, slots=True)
class Local:
    """A folder of that name under ALAMBIQUE_MODELS, or one of the samples in this package."""

    name: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A path on this machine; only `alambique run` takes one."""

    path: str


Source = Hub | Registered | Local | Folder | Architecture


def is_commit(revision: str | None) -> bool:
    """Return whether a revision is a whole commit, which is the same for ever."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def source_of(model: str | Architecture) -> Source:
    """Return what the text of a `model` field names.

    >>> source_of("dccuchile/bert-base-spanish-wwm-cased@9e0a")
    Hub(repository='dccuchile/bert-base-spanish-wwm-cased', revision='9e0a')
    >>> source_of("registry:tiny-ner@3")
    Registered(name='tiny-ner', version='3')
    >>> source_of("mini-es"), source_of("./mini-es")
    (Local(name='mini-es'), Folder(path='./mini-es'))

    Raises:
        BadSpec: the text has none of the forms.
    """
    if isinstance(model, Architecture):
        return model
    if match := _REGISTERED.fullmatch(model):
        return Registered(match[1], match[2])
    if model.startswith(("/", "./", "../", "~")):
        return Folder(model)
    if match := _HUB.fullmatch(model):
        return Hub(match[1], match[2])
    if _NAME.fullmatch(model):
        return Local(model)
    raise BadSpec(
        f"{short(model)} names no model: expected a hub id (team/model, or team/model@ with a "
        "commit, tag, branch or refs/pr/N), registry:name@version, the name of a folder under "
        "ALAMBIQUE_MODELS, or an architecture"
    )


def source_text(source: Source) -> str:
    """Return the text that `source_of` reads back (an architecture: what it looks like)."""
    match source:
        case Hub(repository, None):
            return repository
        case Hub(repository, revision):
            return f"{repository}@{revision}"
        case Registered(name, version):
            return f"registry:{name}@{version}"
        case Local(name):
            return name
        case Folder(path):
            return path
        case Architecture():
            return f"{source.architecture} of {source.layers} layers, from scratch"
        case _:
            assert_never(source)


def _check_form(model: str | Architecture) -> str | Architecture:
    try:
        source_of(model)
    except BadSpec as error:
        raise ValueError(str(error)) from error
    return model


Model = Annotated[
    str | Architecture, Field(union_mode="left_to_right"), AfterValidator(_check_form)
]
"""A field that names a model, in one of its forms."""
