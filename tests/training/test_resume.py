"""A training that stops anywhere goes on from there exactly, or says clearly why it cannot."""

import json
import os
import random
import resource
import shutil
import subprocess
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from anyslice.config.families import FAMILIES, NetworkParams
from anyslice.datasets import open_dataset
from anyslice.jobs.checkpoint import Checkpoint, Checkpoints
from anyslice.jobs.identity import LOOP, PACKAGE, STORAGES, Identity, code_of
from anyslice.jobs.inputs import TrainingFolders, label_levels_of
from anyslice.jobs.interrupt import Interrupted, Interrupts
from anyslice.jobs.lock import sole_process
from anyslice.jobs.session import ResumableSession
from anyslice.jobs.train import run_training
from anyslice.paths import seed_folder
from anyslice.taxonomy.extract import from_given_levels
from anyslice.taxonomy.record import write_taxonomy
from anyslice.training.loop import train

CPU = torch.device("cpu")
RUN = "fashion-mnist-short/is-resnext"


class StopAfter(Interrupts):
    """Asks to stop when it has been asked a number of times."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    @property
    def reason(self):
        self.times -= 1
        return "test" if self.times < 0 else None


@pytest.fixture
def identity():
    return Identity(run=RUN, seed=1, parameters={"lr": 0.1}, data="d", code={"loop.py": "c"})


@pytest.fixture
def session(tmp_path, identity):
    """Makes sessions on one folder."""

    def make(interrupts, minutes=1e9, messages=None):
        return ResumableSession(
            Checkpoints(tmp_path / "key", identity),
            minutes=minutes,
            interrupts=interrupts,
            say=lambda message: None if messages is None else messages.append(message),
        )

    return make


@pytest.mark.slow
@pytest.mark.parametrize("name", ["i-resnext", "linear", "hierarchical"])
def test_stopping_at_any_point_changes_nothing(short, data, session, name):
    run, dataset = short.run(f"fashion-mnist-short/{name}"), open_dataset(data)
    maps = [level.labels for level in label_levels_of(run, dataset.manifest, None)]
    calm = train(run, dataset, 1, device=CPU, level_maps=maps)
    draw, stops = random.Random(name), 0
    while True:
        try:
            interrupts = StopAfter(draw.randrange(2, 6))
            stopped = train(
                run, dataset, 1, device=CPU, level_maps=maps, session=session(interrupts)
            )
            break
        except Interrupted:
            stops += 1
    assert stops >= 3
    assert [replace(e, images_per_second=0) for e in stopped.history] == [
        replace(e, images_per_second=0) for e in calm.history
    ]
    assert stopped.chosen_epoch == calm.chosen_epoch
    expected = calm.network.state_dict()
    for key, tensor in stopped.network.state_dict().items():
        assert torch.equal(tensor, expected[key]), key
    assert torch.equal(stopped.test.labels, calm.test.labels)


@pytest.fixture(scope="module")
def calm(short, data, outcome, tmp_path_factory):
    """The outcome of the training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    folders = TrainingFolders(output=folder / "output", work=folder / "work", data=data)
    run_training(short, RUN, 1, folders, Interrupts())
    return outcome(folders.output)


def stop_once(short, folders, run=RUN, times=12, scale=None):
    with pytest.raises(Interrupted):
        run_training(scale or short, run, 1, folders, StopAfter(times))
    (folder,) = seed_folder(folders.work, short.name, run, 1).glob("*/")
    return folder


def test_a_stopped_job_ends_with_the_bytes_of_an_undisturbed_one(short, folders, outcome, calm):
    stop_once(short, folders)
    assert not (folders.output / "metrics.json").exists()
    run_training(short, RUN, 1, folders, Interrupts())
    assert outcome(folders.output) == calm


def test_a_training_of_one_epoch_never_speaks_of_a_second(short, data, session):
    """It stops after its last step, as the test images are being predicted."""
    run = replace(short.run(RUN), recipe=replace(short.run(RUN).recipe, epochs=1))
    dataset, messages = open_dataset(data), []
    with pytest.raises(Interrupted, match=r"^stopped at epoch 1, step 5 "):
        train(run, dataset, 1, device=CPU, session=session(StopAfter(7)))
    train(run, dataset, 1, device=CPU, session=session(Interrupts(), messages=messages))
    assert messages == ["resuming from the checkpoint of epoch 1, step 5"]


def test_starting_over_is_said_with_the_reason(session, tmp_path, identity):
    """An edit gives another key; the older checkpoint stays, but it is not gone on from."""
    older = replace(identity, data="other", code={"loop.py": "c", "networks/old.py": "x"})
    Checkpoints(tmp_path / "older", older).save(Checkpoint({}, {"epoch": 3, "step": 7}))
    messages = []
    session(Interrupts(), messages=messages).restore(state=None)
    assert messages == [
        f"starting over: {tmp_path}/older/epoch0003-step000007 is of another training "
        "(data, code networks/old.py)"
    ]


@pytest.mark.slow
def test_a_finished_training_is_not_repeated(short, folders, capsys):
    run_training(short, RUN, 1, folders, Interrupts())
    model = folders.output / "model.safetensors"
    before = model.stat().st_mtime_ns
    run_training(short, RUN, 1, folders, Interrupts())
    assert "nothing to do" in capsys.readouterr().out
    assert model.stat().st_mtime_ns == before


@pytest.mark.slow
def test_only_the_last_two_checkpoints_are_kept(short, folders):
    folder = stop_once(short, folders)
    names = sorted(path.name for path in folder.glob("epoch*"))
    assert len(names) == 4
    assert len({path.stem for path in folder.glob("epoch*")}) == 2


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [flip_a_byte, os.unlink])
def test_a_damaged_checkpoint_is_reported_and_the_one_before_used(
    short, folders, outcome, calm, capsys, damage
):
    folder = stop_once(short, folders)
    _, last = sorted(folder.glob("epoch*.safetensors"))
    damage(last)
    run_training(short, RUN, 1, folders, Interrupts())
    said = capsys.readouterr().out
    assert f"{last.stem} is damaged and not used" in said
    assert "resuming from the checkpoint of epoch" in said
    assert outcome(folders.output) == calm


@pytest.mark.slow
def test_a_damaged_record_is_reported_too(short, folders, capsys):
    folder = stop_once(short, folders)
    last = max(folder.glob("epoch*.json"))
    last.write_text(last.read_text().replace('"step": ', '"step": 1'))
    run_training(short, RUN, 1, folders, Interrupts())
    assert f"{last.stem} is damaged and not used" in capsys.readouterr().out


@pytest.mark.slow
def test_when_all_are_damaged_training_starts_again(short, folders, capsys):
    folder = stop_once(short, folders)
    for path in folder.glob("epoch*.json"):
        path.write_text("{")
    run_training(short, RUN, 1, folders, Interrupts())
    said = capsys.readouterr().out
    assert said.count("is damaged and not used") == 2
    assert "going on" not in said


@pytest.mark.parametrize("field", ["run", "seed", "parameters", "data", "code"])
def test_a_checkpoint_of_another_training_is_refused(short, data, session, identity, field):
    run, dataset = short.run(RUN), open_dataset(data)
    with pytest.raises(Interrupted):
        train(run, dataset, 1, device=CPU, session=session(StopAfter(3)))
    other = {"run": "x", "seed": 2, "parameters": {"lr": 1}, "data": "x", "code": {}}[field]
    changed = session(Interrupts())
    changed.checkpoints.identity = replace(identity, **{field: other})
    files = {p: p.read_bytes() for p in changed.checkpoints.folder.iterdir()}
    with pytest.raises(ValueError, match=f"another training: it differs in {field} .*{RUN} seed 1"):
        train(run, dataset, 1, device=CPU, session=changed)
    assert {p: p.read_bytes() for p in changed.checkpoints.folder.iterdir()} == files


@pytest.mark.slow
def test_changed_parameters_start_afresh_and_lose_nothing(short, folders):
    old = stop_once(short, folders)
    dataset = short.datasets["fashion-mnist-short"]
    run = dataset.runs["is-resnext"]
    runs = {"is-resnext": replace(run, recipe=replace(run.recipe, learning_rate=0.05))}
    changed = replace(short, datasets={dataset_name(): replace(dataset, runs=runs)})
    run_training(changed, RUN, 1, folders, Interrupts())
    assert list(old.glob("epoch*.json"))


def dataset_name():
    return RUN.partition("/")[0]


def test_a_second_process_on_a_training_is_refused(short, folders):
    folder = seed_folder(folders.work, short.name, RUN, 1)
    with sole_process(folder):
        code = (
            "from pathlib import Path; from anyslice.jobs.lock import sole_process\n"
            f"with sole_process(Path({str(folder)!r})): pass"
        )
        second = subprocess.run(["python", "-c", code], capture_output=True, text=True)
    assert second.returncode != 0
    assert f"is in use by process {os.getpid()} on {os.uname().nodename}" in second.stderr
    with sole_process(folder):
        pass


@pytest.mark.slow
def test_results_of_another_run_are_not_overwritten(short, folders):
    run_training(short, RUN, 1, folders, Interrupts())
    before = (folders.output / "metrics.json").read_bytes()
    with pytest.raises(ValueError, match=r"holds the result of .*is-resnext seed 1, not of"):
        run_training(short, "fashion-mnist-short/fixed", 1, folders, Interrupts())
    assert (folders.output / "metrics.json").read_bytes() == before


@pytest.fixture
def file_size_limit():
    """Limits the size of files, which fails a write half-way, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
def test_a_full_disk_is_said_and_nothing_lost(short, folders, outcome, calm, file_size_limit):
    folder = stop_once(short, folders)
    kept = {p.name: p.read_bytes() for p in folder.glob("epoch*")}
    file_size_limit(10_000)
    with pytest.raises(OSError, match=f"the disk is full: cannot write {folder}.* start the same"):
        run_training(short, RUN, 1, folders, Interrupts())
    file_size_limit(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    assert {p.name: p.read_bytes() for p in folder.glob("epoch*")} == kept
    assert not (folders.output / "metrics.json").exists()
    assert not list(folder.glob(".*.safetensors*"))
    run_training(short, RUN, 1, folders, Interrupts())
    assert outcome(folders.output) == calm


@pytest.fixture
def mount(tmp_path):
    """Mounts a file system of its own, with options, where the tests run as root."""
    mounted = []

    def mount(*options):
        place = tmp_path / f"mounted{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", place]
        if os.getuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("it mounts a small file system: run pytest as root")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("which", ["work", "output"])
def test_a_disk_that_is_really_full(short, folders, mount, which):
    full = replace(folders, **{which: mount("size=16k") / "x"})
    with pytest.raises(OSError, match=f"the disk is full: cannot write {getattr(full, which)}"):
        run_training(short, RUN, 1, full, Interrupts())
    assert not (full.output / "metrics.json").exists()


@pytest.mark.parametrize("which", ["work", "output"])
def test_a_read_only_folder_is_said_before_training(short, folders, mount, which, capsys):
    locked = replace(folders, **{which: mount("ro") / "x"})
    with pytest.raises(OSError, match=f"cannot write {getattr(locked, which)}.*Read-only"):
        run_training(short, RUN, 1, locked, Interrupts())
    assert "epoch" not in capsys.readouterr().out


def test_checkpoints_hold_no_pickle(short, folders):
    folder = stop_once(short, folders)
    assert {p.suffix for p in folder.glob("epoch*")} == {".json", ".safetensors"}
    for path in folder.glob("*.json"):
        json.loads(path.read_text())


@pytest.fixture
def taxonomy(tmp_path):
    """A taxonomy.json of two levels, of 10 or fewer classes."""

    def write(count):
        classes = [str(number) for number in range(count)]
        path = tmp_path / "taxonomy.json"
        coarse = {"small": classes[:5], "large": classes[5:]}
        write_taxonomy(from_given_levels("digits", classes, [coarse]), path)
        return path

    return write


def test_a_hierarchy_is_learned_from_a_taxonomy(short, folders, taxonomy):
    folders = replace(folders, taxonomy=taxonomy(10))
    run_training(short, "fashion-mnist-short/hierarchical", 1, folders, Interrupts())
    tensors = load_file(folders.output / "predictions.safetensors")
    assert tensors["predictions"].shape == (2, 2, 100)
    assert set(tensors["labels"][1].tolist()) == {0, 1}


def test_a_taxonomy_of_other_classes_is_refused(short, folders, taxonomy):
    folders = replace(folders, taxonomy=taxonomy(9))
    with pytest.raises(ValueError, match=r"taxonomy.json does not label the 10 classes"):
        run_training(short, "fashion-mnist-short/hierarchical", 1, folders, Interrupts())


def test_slow_saves_are_few(short, data, session):
    """At the ends of epochs; at the interval a save is due, however long it takes."""

    class Slow(Checkpoints):
        saves = 0

        def save(self, checkpoint):
            Slow.saves += 1
            time.sleep(0.1)

    run = short.run(RUN)
    run = replace(run, recipe=replace(run.recipe, epochs=8))
    slow = session(Interrupts(), minutes=5)
    slow.checkpoints = Slow(slow.checkpoints.folder, slow.checkpoints.identity)
    train(run, open_dataset(data), 1, device=CPU, session=slow)
    assert Slow.saves == 2  # after the first epoch, and before the test
    assert slow.saving_seconds >= 0.2


@pytest.fixture
def package(tmp_path):
    """A package whose loop imports a part that imports another; a third is not imported."""
    folder = tmp_path / "anyslice"
    for name, source in {
        "training/loop.py": "from anyslice.training import a\nx = 1\n",
        "training/a.py": "from anyslice.datasets.b import x\n",
        "datasets/b.py": "import os\nimport anyslice.config\nx = 1\n",
        "datasets/c.py": "def f():\n    return 1\n",
        "config/__init__.py": "x = 1\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    return folder


def test_the_code_of_a_training_is_what_it_imports(package):
    found = code_of(["training/loop.py"], package)
    assert list(found) == ["datasets/b.py", "training/a.py", "training/loop.py"]
    (package / "datasets/c.py").write_text("x = 2\n")
    assert code_of(["training/loop.py"], package) == found
    (package / "datasets/b.py").write_text("x = 2\n")
    changed = code_of(["training/loop.py"], package)
    assert {name for name in found if found[name] != changed[name]} == {"datasets/b.py"}


def test_comments_and_docstrings_are_not_code(package):
    original = code_of(["datasets/b.py"], package)
    (package / "datasets/b.py").write_text(
        '"""Says\nwhat."""\n\nimport os  # Why.\n# A note.\nimport anyslice.config\n\n'
        'x = 1\n"""What x is."""\n'
    )
    assert code_of(["datasets/b.py"], package) == original


def test_code_reads_alike_under_every_version_of_python(package):
    """A constant, since `ast.dump` differs between 3.11, 3.12 and 3.13."""
    (package / "datasets/c.py").write_text("def f(x: int) -> str:\n    return f'{x!r:>{3}}' # a\n")
    assert code_of(["datasets/c.py"], package)["datasets/c.py"].startswith("63087ee0086c1e07")


@pytest.mark.slow
def test_an_edit_of_a_family_outdates_no_run_of_another():
    files = {name: NetworkParams(name=name).file for name in FAMILIES}
    imported = {
        name: set(code_of([LOOP, file])) & set(files.values()) for name, file in files.items()
    }
    imported["shallow-resnext"].remove("networks/resnext.py")  # it consists of ResNeXt's blocks
    assert imported == {name: {file} for name, file in files.items()}


@pytest.mark.slow
def test_an_edit_of_a_format_outdates_no_run(tmp_path):
    """Of any family, on tensors or on files."""
    package = shutil.copytree(PACKAGE, tmp_path / "anyslice")
    files = {NetworkParams(name=name).file for name in FAMILIES}
    runs = {(file, root): [LOOP, file, root] for file in files for root in STORAGES.values()}
    before = {run: code_of(roots, package) for run, roots in runs.items()}
    for module in sorted(package.glob("datasets/formats/*.py")):
        module.write_text(module.read_text() + "\nEDITED = True\n")
    assert {run: code_of(roots, package) for run, roots in runs.items()} == before


def test_another_storage_is_no_code_of_a_run_on_tensors():
    of_tensors, of_files = (set(code_of([LOOP, root])) for root in STORAGES.values())
    assert "datasets/streaming.py" not in of_tensors
    assert "datasets/tensors.py" not in of_files
    assert {LOOP, "training/loss.py", "datasets/augmentation.py"} <= of_tensors & of_files
    assert not any("formats" in name for name in of_tensors | of_files)


def test_another_family_is_no_code_of_a_run(short):
    code = code_of([LOOP, short.run("fashion-mnist-short/i-resnext").network.file])
    assert "networks/resnext.py" in code
    assert not any("msdnet" in name or "densenet" in name for name in code)
