"""Every error a user can meet: one root, crossed with the standard library's own kinds.

The message is the only argument, and all else that an error knows is an attribute, so that it
survives pickling between processes: pickle makes an error anew from its arguments, gives it its
attributes, and drops its `__cause__`. `code` is what the API answers under that name, and never
changes.
"""

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from alambique.spec.field_errors import BadField, BadFields


class AlambiqueError(Exception):
    """The root: something this platform found, with what to do about it."""

    code = "internal"

    fields: "tuple[BadField, ...]" = ()
    """The fields of a job, or of another mapping, that are to blame; none where it is no field's
    fault."""
    more_fields: int = 0
    """How many fields are to blame besides those."""

    def with_fields(self, bad: "BadFields") -> Self:
        """Return the error with the fields that are to blame."""
        self.fields, self.more_fields = bad.fields, bad.more
        return self


class BadSpec(AlambiqueError, ValueError):
    """A job says something that cannot be carried out."""

    code = "bad_spec"


class UnknownName(AlambiqueError, LookupError):
    """A task, data set, model or job of that name is not there."""

    code = "unknown_name"


class Deleted(UnknownName):
    """It was there and was deleted; the message says whether it can be restored."""

    code = "deleted"


class BadData(AlambiqueError, ValueError):
    """A data file is broken; the message names file and line."""

    code = "bad_data"


class NoData(BadSpec):
    """The files of a data set are not at hand: not in ALAMBIQUE_DATA, or not given by the hub."""

    code = "no_data"


class BadTeacher(AlambiqueError, ValueError):
    """A model cannot teach: no head, weights that are not finite, or no better than guessing."""

    code = "bad_teacher"


class LabelMismatch(BadTeacher):
    """The labels of the teacher and of the data are not the same set."""

    code = "label_mismatch"


class BadModel(AlambiqueError, ValueError):
    """A model folder lacks a file, or holds one that may not be loaded."""

    code = "bad_model"


class BadLicence(BadSpec):
    """A licence of what a model was made of does not let it be published, or is not known."""

    code = "bad_licence"


class MissingExtra(AlambiqueError, ImportError):
    """What is asked for needs a library that an extra of the package installs."""

    code = "missing_extra"


class NotEnoughDisk(AlambiqueError, OSError):
    """The plan needs more room than the disk has."""

    code = "not_enough_disk"


class Diverged(AlambiqueError, ArithmeticError):
    """A loss became NaN or infinite."""

    code = "diverged"


class LostLease(AlambiqueError, RuntimeError):
    """Another worker holds the job now: whoever meets this stops without writing."""

    code = "lost_lease"


class Unreachable(AlambiqueError, ConnectionError):
    """Another service, such as the hub, does not answer now; later it may."""

    code = "unreachable"


class LostWorker(AlambiqueError, RuntimeError):
    """A process that was working for a job is gone."""

    code = "lost_worker"


class OtherCode(AlambiqueError, RuntimeError):
    """A process that is to work for a job runs other code than the job's driver."""

    code = "other_code"


class Conflict(AlambiqueError, RuntimeError):
    """The thing is not in a state that allows this."""

    code = "conflict"


class Stale(Conflict):
    """The thing has changed since the one who wants to change it has read it."""

    code = "stale"
