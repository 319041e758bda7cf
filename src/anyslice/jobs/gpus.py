"""Reserve GPUs with file locks, because Snakemake does not assign devices. Imports no torch.

Each GPU is a file, and who holds its lock has the GPU: the system frees it when the process ends in
whatever way, so no file goes out of date.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from anyslice.errors import AnysliceError
from anyslice.jobs.interrupt import Interrupted, Interrupts

VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL_SECONDS = 1.0


@contextmanager
def own_gpus(count: int, interrupts: Interrupts, say: Callable[[str], object]) -> Iterator[None]:
    """Have `count` GPUs, if any, and let CUDA see no other, in this process and those it starts.

    Waits, with one message, while too few are free. All are taken at once or none, so that no two
    trainings wait for each other's. CUDA must not have started in this process.

    Under SLURM a job's GPUs are its own: as many as are needed are taken without a lock, and where
    the job has more (trainings side by side in one job), the locks are the job's.

    Raises:
        Interrupted: if asked to stop while waiting.
        AnysliceError: if there are fewer GPUs than needed.
        OSError: if locks cannot be written.
    """
    devices = allowed_devices() if count else []
    if len(devices) < count:
        visible = os.environ.get(VISIBLE)
        why = "torch sees" if visible is None else f"{VISIBLE}={visible!r} allows"
        raise AnysliceError(
            f"the training takes GPUs (`gpus`, --processes): {count}, but {why} {len(devices)}; "
            "`gpus: 0` trains on the CPU"
        )
    job = os.environ.get("SLURM_JOB_ID")
    if count == 0 or (job is not None and len(devices) == count):
        yield
        return
    taken, locks = _wait_for(_locks_folder(job), devices, count, interrupts, say)
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = ",".join(taken)
    with locks:
        try:
            yield
        finally:
            if before is None:
                del os.environ[VISIBLE]
            else:
                os.environ[VISIBLE] = before


def allowed_devices() -> list[str]:
    """The GPUs that may be used, as CUDA_VISIBLE_DEVICES names them: by number, GPU- or MIG-UUID.

    As in CUDA, what follows a name that is none is ignored, and a name that is there twice leaves
    none. If the variable is not set: the numbers of all GPUs.
    """
    visible = os.environ.get(VISIBLE)
    if visible is None:
        return [str(number) for number in range(_count_devices())]
    devices: list[str] = []
    for entry in visible.split(","):
        name = entry.strip()
        if not re.fullmatch(r"\d+|(GPU|MIG)-.+", name):
            break
        devices.append(str(int(name)) if name.isdigit() else name)
    return devices if len(set(devices)) == len(devices) else []


def _count_devices() -> int:
    # In a process of its own: where torch cannot ask the driver's NVML, counting starts CUDA, which
    # then takes no notice of CUDA_VISIBLE_DEVICES. In a session of its own: Ctrl-C is not for it.
    counted = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"],
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    if counted.returncode != 0:
        raise OSError(f"the GPUs cannot be counted: {counted.stderr.strip()}")
    return int(counted.stdout)


def _locks_folder(job: str | None) -> Path:
    """Where the locks are: one folder for all projects of the user on this machine.

    Another user's trainings are not seen: their files could be neither opened nor trusted.
    """
    users = Path(tempfile.gettempdir()) / f"anyslice-gpus-{os.getuid()}"
    users.mkdir(mode=0o700, exist_ok=True)
    if users.stat().st_uid != os.getuid():
        raise PermissionError(f"{users} belongs to another user; set TMPDIR to a folder of yours")
    # The folder for temporary files may be on a file system that several machines share.
    folder = users / (socket.gethostname() + ("" if job is None else f"-job{job}"))
    folder.mkdir(exist_ok=True)
    return folder


def _wait_for(
    folder: Path,
    devices: Sequence[str],
    count: int,
    interrupts: Interrupts,
    say: Callable[[str], object],
) -> tuple[list[str], ExitStack]:
    told = False
    while not (found := _try_to_take(folder, devices, count)):
        if interrupts.reason is not None:
            raise Interrupted(f"{interrupts.reason}, while waiting for a GPU; nothing was done")
        if not told:
            say(
                f"waiting for GPUs: {count}, of {', '.join(devices)}; "
                f"other trainings hold the locks in {folder}"
            )
            told = True
        time.sleep(POLL_SECONDS)
    return found


def _try_to_take(
    folder: Path, devices: Sequence[str], count: int
) -> tuple[list[str], ExitStack] | None:
    """The first `count` GPUs that are free, and what holds their locks; or None."""
    taken: list[str] = []
    choosing = FileLock(folder / "choosing", timeout=POLL_SECONDS)
    with suppress(Timeout), choosing, ExitStack() as locks:
        for device in devices:
            lock = FileLock(folder / quote(device, safe=""))
            with suppress(Timeout):
                locks.enter_context(lock.acquire(blocking=False))
                taken.append(device)
            if len(taken) == count:
                return taken, locks.pop_all()
    return None
