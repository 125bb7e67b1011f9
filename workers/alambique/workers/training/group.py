"""Setting up torch.distributed and DeepSpeed, on machines without a compiler too."""

import os

import torch


def join_group() -> None:
    """Makes this process one of the group that the environment describes (RANK, WORLD_SIZE, …).

    On a CPU: gloo, and without DeepSpeed's shared-memory extension, which it would compile on
    first use and which stops it where there is no ninja and no g++.
    """
    on_gpu = torch.cuda.is_available()
    if on_gpu and "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun leaves the choice to us
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not on_gpu:
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed
    from deepspeed.ops import __compatible_ops__

    __compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="nccl" if on_gpu else "gloo", verbose=False)
