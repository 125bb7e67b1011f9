"""One training loop, the same under Ray Train, under torchrun and as a plain call."""
