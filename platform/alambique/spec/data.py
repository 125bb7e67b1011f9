"""What a job says of its data: which sets, how much of them, what their columns are called."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from alambique.spec.data_sources import PREFIX, SUBSET, Catalogued, HubData, data_source_of, is_own
from alambique.spec.fields import Positive, Share, Spec, equal_to, fault_at, repeated

Split = Literal["train", "dev", "test"]
Limited = Literal[Split, "unlabelled"]

Label = Annotated[str, Field(min_length=1, max_length=256)]
Column = Annotated[str, Field(min_length=1, max_length=256)]

_SPLIT = r"^[A-Za-z0-9_]{1,64}(?:\.[A-Za-z0-9_]{1,64})*$"
"""As `datasets` names a whole split: with more it would be a slice or a sum of them."""


class SplitShares(Spec):
    """How much of one file is for choosing and for measuring; training has the rest."""

    dev: Share
    test: Annotated[Share | None, Field(exclude_if=equal_to(None))] = None
    """None where the job is tested on another file."""

    @model_validator(mode="after")
    def _check_shares(self) -> "SplitShares":
        if self.dev + (self.test or 0.0) >= 1:
            raise ValueError(
                f"dev {self.dev:g} and test {self.test or 0:g} leave nothing to train on: give "
                "less than 1 together, such as {dev: 0.1, test: 0.1}"
            )
        return self


class Data(Spec):
    """A data set: of the catalogue, of the hub, or (only with `alambique run`) files at a path."""

    name: str
    """Of the catalogue; or hub:team/name; or a path, which has a "/". Given as `hub`, it is the
    second without `hub:`; given as `path`, the third, also without a "/"."""
    limit: dict[Limited, Positive] = Field(default_factory=dict)
    """How many examples of a split to use, the first ones; all where not given."""
    test: str | None = None
    """Another data set, whose test split takes the place of this one's."""
    unlabelled: Annotated[str | None, Field(exclude_if=equal_to(None))] = None
    """Another one whose training examples, or a text set whose lines, the teacher alone teaches the
    student: labels that they may have are not read."""
    columns: Annotated[dict[str, Column] | None, Field(exclude_if=equal_to(None))] = None
    """From what the task calls a column, that of the labels too, to what it is called in the user's
    own data sets: those of the hub and the files at a path."""
    labels: Annotated[tuple[Label, ...] | None, Field(min_length=1, exclude_if=equal_to(None))] = (
        None
    )
    """The names of all classes or tags in their order; a number in the data is one's place there,
    counted from 0."""
    subset: Annotated[str | None, Field(exclude_if=equal_to(None), pattern=f"^{SUBSET}$")] = None
    """Which part of `hub`, where it has several; other data sets of the hub have theirs behind a #,
    hub:team/name#es."""
    splits: Annotated[
        dict[Limited, Annotated[str, Field(pattern=_SPLIT)]] | None,
        Field(exclude_if=equal_to(None)),
    ] = None
    """What the splits of data sets of the hub are called there; not given, they are train,
    validation and test, and unlabelled is train."""
    split: Annotated[SplitShares | None, Field(exclude_if=equal_to(None))] = None
    """How one file at a path, or the train split of a data set of the hub, is split."""

    @model_validator(mode="before")
    @classmethod
    def _read_path_or_hub(cls, content: object) -> object:
        if not isinstance(content, dict):
            return content
        given = [field for field in ("name", "path", "hub") if field in content]
        if given in ([], ["name"]):
            return content
        if len(given) > 1:
            raise fault_at(
                (given[-1],),
                f"{' and '.join(given)} both say where the data is: keep one",
                content[given[-1]],
            )
        field, rest = given[0], {name: content[name] for name in content if name != given[0]}
        value = content[field]
        if not isinstance(value, str) or not value:
            example = {"path": "a path, such as ./mine.csv", "hub": "an id, such as team/reviews"}
            raise fault_at((field,), f"expected {example[field]}", value)
        if field == "hub":
            return {"name": f"{PREFIX}{value.removeprefix(PREFIX)}", **rest}
        return {"name": value if "/" in value else f"./{value}", **rest}

    @field_validator("name", "test", "unlabelled")
    @classmethod
    def _check_source(cls, name: str | None) -> str | None:
        if name is not None:
            data_source_of(name)
        return name

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if labels is not None and repeated(labels):
            raise ValueError("a label stands there twice: name each once")
        return labels

    @model_validator(mode="after")
    def _check_descriptions(self) -> "Data":
        """Check that what describes a data set is of one that the catalogue does not know."""
        sources = [data_source_of(name) for name in self.names.values()]
        if all(isinstance(source, Catalogued) for source in sources):
            for field in ("columns", "labels"):
                if getattr(self, field) is not None:
                    raise fault_at(
                        (field,),
                        f"the {field} of {self.name} are known: drop them, or give data of yours",
                        getattr(self, field),
                    )
        if self.splits and not any(isinstance(source, HubData) for source in sources):
            raise fault_at(
                ("splits",),
                f"{self.name} is no data set of the hub: drop this, or name one (data.hub)",
                self.splits,
            )
        if "unlabelled" in (self.splits or {}) and self.unlabelled is None:
            raise fault_at(
                ("splits", "unlabelled"),
                "there are no unlabelled examples: name them (data.unlabelled), or drop this",
                (self.splits or {})["unlabelled"],
            )
        if self.subset is not None:
            source = data_source_of(self.name)
            if not isinstance(source, HubData) or source.subset is not None:
                raise fault_at(
                    ("subset",),
                    f"it is of data.hub alone, and {self.name} is none without a subset of its "
                    "own: drop it, or put it behind the id that it is of, hub:team/name#subset",
                    self.subset,
                )
        return self

    @model_validator(mode="after")
    def _check_split(self) -> "Data":
        if self.split is None:
            return self
        cut = ("dev", *(("test",) if self.test is None else ()))
        for name in cut:
            if name in (self.splits or {}):
                raise fault_at(
                    ("splits", name),
                    "split takes it from the train split: drop one of the two",
                    (self.splits or {})[name],
                )
        shares = self.split.model_dump(mode="json")
        if not is_own(self.name):
            raise fault_at(
                ("split",), f"{self.name} has its splits: drop this, or give data of yours", shares
            )
        if self.test is None and self.split.test is None:
            raise fault_at(
                ("split",),
                "nothing to test on: add a share, {dev: 0.1, test: 0.1}, or data.test",
                shares,
            )
        if self.test is not None and self.split.test is not None:
            raise fault_at(
                ("split", "test"),
                "the job is tested on data.test: drop one of the two",
                self.split.test,
            )
        return self

    @property
    def names(self) -> dict[str, str]:
        """The data sets that are named, by the field that names them."""
        given = {"name": self.name, "test": self.test, "unlabelled": self.unlabelled}
        return {field: name for field, name in given.items() if name is not None}

    @model_validator(mode="after")
    def _check_limits(self) -> "Data":
        if "unlabelled" in self.limit and self.unlabelled is None:
            raise fault_at(
                ("limit", "unlabelled"),
                "there are no unlabelled examples: name them (data.unlabelled), or drop the limit",
                self.limit["unlabelled"],
            )
        return self
