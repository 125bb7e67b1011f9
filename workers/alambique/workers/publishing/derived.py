"""Numbers that follow from others of the same provenance, computed again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from alambique.workers.publishing.numbers import (
    LATENCY,
    MACS_LINEAR,
    RATE,
    SEEDS,
    SPEED_UP,
    THIS,
    Measured,
    Number,
    deviation_of,
    gain_over,
    retention_of,
)
from alambique.workers.publishing.provenance import Provenance


@dataclass(frozen=True, slots=True)
class Derivation:
    """The numbers of a provenance, and what follows from them."""

    numbers: Sequence[Number]
    primary: str
    role: str
    """What the published version is in its job."""

    @classmethod
    def of(cls, provenance: Provenance) -> "Derivation":
        """Return that of a provenance."""
        model = provenance.model
        return cls(provenance.numbers, model.primary, model.role)

    def value(self, number: Number) -> float | None:
        """Return what a number has to be by the others; None: these do not say it."""
        metric, primary = number.metric, self.primary
        if metric.endswith(RATE):
            device = metric.removesuffix(RATE)
            latency = self._find(number.model, f"{device}{LATENCY}")
            return 1000 / latency if latency else None
        if metric == SPEED_UP:
            reference = self._find(str(number.settings.get("reference")), MACS_LINEAR)
            own = self._find(THIS, MACS_LINEAR)
            return reference / own if reference and own else None
        if metric == retention_of(primary):
            return self._retention(number.model)
        gain = gain_over(primary, "")
        if metric.startswith(gain):
            gains = self._gains(metric.removeprefix(gain).removesuffix(SEEDS))
            if metric.endswith(SEEDS):
                return len(gains)
            return fmean(gains) if gains else None
        name = metric.removesuffix(deviation_of(""))
        scores = [*self._by_seed(number.model, name).values()]
        if metric == deviation_of(name):
            return stdev(scores) if len(scores) > 1 else None
        return fmean(scores) if scores else None

    def _gains(self, baseline: str) -> Sequence[float]:
        """Return what was gained over a baseline with each seed that both have."""
        trial = self.role.removeprefix("student")  # of a search, whose baselines have it too
        roles = self.role, f"{baseline}{trial}"
        ours, theirs = (self._by_seed(role, self.primary) for role in roles)
        return [ours[seed] - theirs[seed] for seed in ours if seed in theirs]

    def _retention(self, role: str) -> float | None:
        """Return the part of the best teacher's score that a student of the job keeps."""
        ours = self._by_seed(role, self.primary)
        others = {each.model for each in self.numbers if each.measured is Measured.OWN_FILE}
        teachers = [
            fmean(scores.values())
            for role in others | {self.role}
            if role == "teacher" or role.startswith("teacher-")
            if (scores := self._by_seed(role, self.primary))
        ]
        if not ours or not teachers or max(teachers) == 0:
            return None
        return fmean(ours.values()) / max(teachers)

    def _by_seed(self, role: str, metric: str) -> Mapping[int | None, float]:
        """Return a score on the test split of each training of a network of the job."""
        names = {role, THIS} if role == self.role else {role}
        return {
            each.seed: each.value
            for each in self.numbers
            if each.metric == metric and each.model in names and each.split == "test"
            if each.measured is not Measured.DERIVED
        }

    def _find(self, model: str, metric: str) -> float | None:
        return next(
            (each.value for each in self.numbers if (each.model, each.metric) == (model, metric)),
            None,
        )
