"""Whether terms can compare the layers of two networks, by their configs; without torch."""

from collections.abc import Sequence

from alambique.distill.terms.comparison import NetworkShape
from alambique.distill.terms.table import comparison_of
from alambique.models.configs import Config, depth, sizes_of
from alambique.models.families import family_of
from alambique.spec.objective import IntermediateLoss


def check_comparable(terms: Sequence[IntermediateLoss], student: Config, teacher: Config) -> None:
    """Check that terms can compare the layers of a student with those of a teacher.

    Raises:
        BadSpec: a map names layers that are not there; widths or heads do not fit. Its cause names
            the field of the term.
        BadModel: a config does not say its sizes.
    """
    for term in terms:
        comparison_of(term).check_networks(network_shape(student), network_shape(teacher))


def network_shape(config: Config) -> NetworkShape:
    """Return what decides whether the layers of the network can be compared with another's.

    Raises:
        BadModel: the config does not say its sizes.
    """
    sizes = sizes_of(config)
    return NetworkShape(
        model_type=config["model_type"],
        layers=depth(config),
        width=sizes.width,
        heads=sizes.heads,
        dot_product_scores=family_of(config).dot_product_scores,
    )
