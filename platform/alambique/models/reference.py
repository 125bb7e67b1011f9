"""The network that speed-ups are told against: BETO, as in Speedy Gonzales.

Cañete and Bravo-Marquez (2023), table 3: a model's speed-up is BETO's MACs over the model's.
"""

from alambique.models.configs import Config
from alambique.models.counts import Counts, count
from alambique.spec.outputs import Output

NAME = "BETO"


def cost(*, task: Output, labels: int, length: int) -> Counts:
    """What BETO with a head for the task would hold, and do for one text of `length` tokens."""
    return count(config(), task=task, labels=labels, length=length)


def config() -> Config:
    """The sizes of dccuchile/bert-base-spanish-wwm-cased."""
    return {
        "model_type": "bert",
        "vocab_size": 31_002,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    }
