"""A network's file, run by an engine, in the place of the network itself."""

from torch import Tensor, from_numpy, nn

from alambique.runtime.engines import Forward
from alambique.runtime.windows import Inputs


class EngineNetwork(nn.Module):
    """Answers as the network does that its file was made of; without weights that torch knows."""

    def __init__(self, engine: Forward) -> None:
        """Of what runs the file."""
        super().__init__()
        self._engine = engine

    def forward(self, input_ids_BN: Tensor, attention_BN: Tensor, type_ids_BN: Tensor) -> Tensor:
        """Return the logits, as `Network.forward` does."""
        arrays = (each.numpy() for each in (input_ids_BN, attention_BN, type_ids_BN))
        return from_numpy(self._engine(Inputs(*arrays)))
