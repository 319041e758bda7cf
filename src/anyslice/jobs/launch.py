"""Starting several processes for one training, by the machinery of torchrun."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import uuid

from anyslice.errors import AnysliceError
from anyslice.jobs.interrupt import EXIT_CODE

_LEADER = "ANYSLICE_LEADER"
"""The variable by which a process knows the one that started it."""


def started_by_torchrun() -> bool:
    """Whether this process is one of several that torchrun started."""
    return "WORLD_SIZE" in os.environ


def stop_with_parent() -> None:
    """Get SIGTERM when the process that started this one is killed, on Linux.

    Otherwise a training's processes would outlive it, on GPUs whose locks are free.
    Until they have joined, when `Interrupts.listen` is to be called, SIGTERM ends them at once:
    they have nothing to save, and those that wait for others would not hear of it for long.

    Raises:
        AnysliceError: if it was killed before.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    leader = os.environ.get(_LEADER)
    if leader is not None and os.getppid() != int(leader):
        raise AnysliceError("the command that started this process is gone")


def check_shares(batch_size: int, count: int) -> None:
    """Raise AnysliceError unless a batch has equal shares for so many processes."""
    if batch_size % count:
        divisors = [str(n) for n in range(1, batch_size + 1) if batch_size % n == 0]
        raise AnysliceError(
            f"{count} processes cannot share a batch of {batch_size} equally: choose --processes "
            f"(or `gpus`) from {', '.join(divisors)}, or another `batch_size`"
        )


def run_in_processes(count: int, arguments: list[str]) -> int:
    """Run `anyslice <arguments>` in several processes that train together; the exit status.

    It is EXIT_CODE if they stopped because they were asked to, which torchrun alone would hide.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ[_LEADER] = str(os.getpid())
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = "SIGTERM,SIGINT,SIGUSR1"
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "anyslice", *arguments)
    except SignalException:
        return EXIT_CODE
    except ChildFailedError as error:
        stopped = any(failure.exitcode == EXIT_CODE for failure in error.failures.values())
        return EXIT_CODE if stopped else 1
    return 0
