"""The mathematics: losses, layer maps, word alignment, objective; tensors only."""
