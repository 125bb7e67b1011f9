"""One thread is enough for tensors of this size."""

import torch

torch.set_num_threads(1)
