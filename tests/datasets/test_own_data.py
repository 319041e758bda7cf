"""A folder of one's own images, as docs/your-own.md says, and what can be wrong with it."""

import io
import re
import shlex
import shutil
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from made import EMBEDDED, ROOT, colour_images, describe, fashion, make
from PIL import Image

from anyslice.cli.main import main
from anyslice.config.checked_yaml import ParameterError
from anyslice.config.dataset import Counts, load_description
from anyslice.datasets import DataError, open_dataset
from anyslice.datasets.describe import Wishes, describe_folder, to_yaml
from anyslice.datasets.manifest import read_index
from anyslice.datasets.prepare import prepare
from anyslice.datasets.sources import fetch

CLASSES = ("cat", "dog", "émeu")


def write_images(folder, images, suffix="png"):
    """The images to class folders, in turn."""
    for number, image in enumerate(images):
        place = folder / CLASSES[number % len(CLASSES)]
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"{number:03}.{suffix}")


def small(count=60):
    return [Image.fromarray(image) for image in colour_images(count)]


def large(count=24):
    """Images of several sizes."""
    return [image.resize((80 + i, 90 - i)) for i, image in enumerate(small(count))]


def described(folder, tmp_path, name="mine", **wishes):
    """The description of a folder, written and read again."""
    path = tmp_path / f"{name}.yaml"
    path.write_text(to_yaml(describe_folder(folder, Wishes(name, **wishes))), encoding="utf-8")
    return load_description(str(path))


def prepared(description, output):
    prepare(description, fetch(description), output)
    return open_dataset(output)


def section(title):
    """The blocks of a section of docs/your-own.md, by language."""
    text = (ROOT / "docs/your-own.md").read_text(encoding="utf-8")
    body = text.split(f"## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"```(\w*)\n(.*?)```", body, flags=re.DOTALL)


@pytest.mark.slow
def test_the_documented_commands_lead_to_a_training(tmp_path, monkeypatch):
    (tmp_path / "params/datasets").mkdir(parents=True)
    for name in ("taxonomy", "claims.yaml"):
        (tmp_path / "params" / name).symlink_to(ROOT / "params" / name)
    for path in (ROOT / "params/datasets").glob("fashion-*.yaml"):
        (tmp_path / "params/datasets" / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write_images(tmp_path / "home/pictures/mine/train", small(90))
    (_, commands), (_, scale), _ = section("Your own data")
    for line in commands.splitlines():
        words = shlex.split(line.replace("~", str(tmp_path / "home")), comments=True)
        result = CliRunner().invoke(main, words[1:])
        assert result.exit_code == 0, result.output
    assert Image.open("mine.png").width > 800
    tiny = scale.replace("extends: quick", f"extends: {ROOT / 'tests/scales/tiny.yaml'}")
    (tmp_path / "params/own.yaml").write_text(tiny)
    command = ["train", "mine/i-resnext", "--scale", "own", "--seed", "1", "--output", "out"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out/metrics.json").is_file()

    write_images(tmp_path / "home/pictures/mine/train", small(90)[:60])
    shutil.rmtree(tmp_path / "home/pictures/mine/train/cat")
    again = ["data", "describe", str(tmp_path / "home/pictures/mine"), "--name", "mine", "--force"]
    for words in (again, command):
        said = CliRunner().invoke(main, words).output
        assert "by another description than params/datasets/mine.yaml is now; run `anyslice" in said


def test_small_images_become_tensors_and_are_described_as_they_are(tmp_path):
    write_images(tmp_path / "own/train", small(60))
    write_images(tmp_path / "own/test", small(15))
    description = described(tmp_path / "own", tmp_path)
    assert (description.storage, description.image_size, description.image_channels) == (
        "tensor",
        32,
        3,
    )
    assert description.classes == CLASSES
    assert description.counts == Counts(54, 6, 15)
    dataset = prepared(description, tmp_path / "out")
    images, labels = dataset.stored("train")
    mean = images.double().flatten(0, 2).mean(0) / 255
    assert description.mean == pytest.approx(mean.tolist(), abs=1e-4)
    std = images.double().flatten(0, 2).std(0) / 255
    assert description.std == pytest.approx(std.tolist(), abs=1e-4)
    assert len(labels) == 54


def test_large_images_stay_files_where_they_are(tmp_path):
    write_images(tmp_path / "own/train", large(24), "jpg")
    write_images(tmp_path / "own/val", large(9), "jpg")
    description = described(tmp_path / "own", tmp_path)
    assert (description.storage, description.image_size) == ("files", 64)
    assert (description.folders.validation, description.folders.test) == (None, "val")
    dataset = prepared(description, tmp_path / "out")
    assert dataset.counts == {"train": 22, "validation": 2, "test": 9}
    (batch,) = dataset.eval_batches("train", batch_size=22, device="cpu")
    assert batch.images.mean((0, 2, 3)).abs().max() < 0.4  # evaluation leaves out the dark margin
    assert (batch.images.var((0, 2, 3), correction=0) - 1).abs().max() < 0.4
    assert not (tmp_path / "out/images").exists()


@pytest.mark.parametrize("images", [small, large])
def test_the_three_parts_of_a_source_are_kept(tmp_path, images):
    for part, count in (("train", 30), ("valid", 12), ("test", 9)):
        write_images(tmp_path / "own" / part, images(count + 3)[:count])
    dataset = prepared(described(tmp_path / "own", tmp_path), tmp_path / "out")
    assert dataset.counts == {"train": 30, "validation": 12, "test": 9}
    if images is large:
        files = [f for f in read_index(tmp_path / "out/index.csv") if f.part == "train"]
        held_out = yaml.safe_load((tmp_path / "out/split.json").read_text())["validation"]
        assert {files[i].path.split("/")[0] for i in held_out} == {"valid"}
    else:
        shown = {image.numpy().tobytes() for image in dataset.stored("validation")[0]}
        assert shown == {np.asarray(image).tobytes() for image in small(12)}


@pytest.mark.parametrize("images", [small, large])
def test_class_folders_alone_are_split(tmp_path, images):
    write_images(tmp_path / "own", images(30))
    description = described(tmp_path / "own", tmp_path, held_out=0.2)
    dataset = prepared(description, tmp_path / "out")
    assert dataset.counts == {"train": 18, "validation": 6, "test": 6}
    if images is small:
        stored = [dataset.stored(part)[0] for part in dataset.counts]
        assert len({i.numpy().tobytes() for part in stored for i in part}) == 30


def test_the_folder_of_records_is_not_taken_for_class_folders(tmp_path, monkeypatch):
    """Snakemake makes data/sources/mine before it looks for the images."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "own", small(30))
    description = described(tmp_path / "own", tmp_path)
    (tmp_path / "data/sources/mine").mkdir(parents=True)
    assert list(fetch(description).values()) == [tmp_path / "own"]
    shutil.rmtree(tmp_path / "own")
    with pytest.raises(DataError, match=r"Missing:\n  class folders in \./\nLooked in:"):
        fetch(description)


def test_a_class_may_be_called_train(tmp_path):
    """CIFAR-100 has one."""
    for name in ("train", "bus"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for number, image in enumerate(small(20)):
            image.save(tmp_path / f"own/{name}/{number}.png")
    description = described(tmp_path / "own", tmp_path)
    assert description.classes == ("bus", "train")
    assert sum(prepared(description, tmp_path / "out").counts.values()) == 40


def test_linked_parts_classes_and_images_are_followed(tmp_path):
    write_images(tmp_path / "a/train", small(30))
    write_images(tmp_path / "b/test", small(9))
    own = tmp_path / "own"
    (own / "train").mkdir(parents=True)
    for name in CLASSES[:2]:
        (own / "train" / name).symlink_to(tmp_path / "a/train" / name)
    (own / "train" / CLASSES[2]).mkdir()
    for path in (tmp_path / "a/train" / CLASSES[2]).iterdir():
        (own / "train" / CLASSES[2] / path.name).symlink_to(path)
    (own / "test").symlink_to(tmp_path / "b/test")
    dataset = prepared(described(own, tmp_path), tmp_path / "out")
    assert dataset.counts == {"train": 27, "validation": 3, "test": 9}


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "bmp", "webp", "tif", "ppm"])
def test_every_usual_kind_of_file_is_read(tmp_path, suffix):
    write_images(tmp_path / "own/train", small(30), suffix)
    dataset = prepared(described(tmp_path / "own", tmp_path), tmp_path / "out")
    assert sum(dataset.counts.values()) == 30


def test_what_is_left_out_is_counted_and_named(tmp_path, caplog):
    """Files that another system leaves beside images."""
    write_images(tmp_path / "own/train", small(30))
    folder = tmp_path / "own/train/cat"
    (folder / "._000.JPEG").write_bytes(b"resource fork")
    (folder / "notes.txt").write_text("none")
    (folder / "more").mkdir()
    description = described(tmp_path / "own", tmp_path)
    assert "3 that are no images by their names are left out: train/cat/._000.JPEG, " in caplog.text
    caplog.clear()
    dataset = prepared(description, tmp_path / "out")
    assert sum(dataset.counts.values()) == 30
    assert "train/cat/more, train/cat/notes.txt" in caplog.text


def test_folders_that_are_not_the_classes_are_named(tmp_path):
    """The classes name the folders where there are no class_ids."""
    write_images(tmp_path / "own/train", small(30))
    description = described(tmp_path / "own", tmp_path)
    (tmp_path / "own/train/dog").rename(tmp_path / "own/train/dogs")
    with pytest.raises(DataError, match=r"each of 3 classes and .* missing: dog; too many: dogs"):
        prepared(description, tmp_path / "out")


def test_renamed_classes_keep_their_folders(tmp_path):
    write_images(tmp_path / "own/train", small(30))
    description = described(tmp_path / "own", tmp_path)
    renamed = replace(description, classes=("Cat", "Dog", "Emu"), class_ids=CLASSES)
    assert prepared(renamed, tmp_path / "out").class_names == ("Cat", "Dog", "Emu")


@pytest.mark.parametrize("key", ["mean", "std"])
@pytest.mark.parametrize("value", [(0.1,), (0.6,)])
def test_a_wrong_mean_of_files_is_refused(tmp_path, key, value):
    counts = Counts(160, 40, 50)
    description = replace(describe("fashion-mnist-files"), counts=counts, **{key: value})
    with pytest.raises(DataError, match=rf"key '{key}' is \[{value[0]}\], but the .* have \[0\."):
        make(description, EMBEDDED, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("images", [small, large])
def test_changed_images_are_refused(tmp_path, images):
    write_images(tmp_path / "own/train", images(30))
    description = described(tmp_path / "own", tmp_path)
    path = tmp_path / "own/train/cat/000.png"
    shutil.copy(tmp_path / "own/train/cat/003.png", path)
    with pytest.raises(DataError, match="images are not those described"):
        prepared(description, tmp_path / "out")


def png_with_text(size):
    """A PNG whose text chunk is unpacked to more than Pillow allows."""
    buffer = io.BytesIO()
    Image.fromarray(fashion()[0][0]).save(buffer, "PNG")
    body = b"Comment\0\0" + zlib.compress(b"x" * size)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + body))
    content = buffer.getvalue()
    return content[:33] + chunk + content[33:]


def truncated(kind):
    buffer = io.BytesIO()
    image = Image.fromarray(fashion()[0][0]).resize((200, 200))
    image.save(buffer, kind)
    return buffer.getvalue()[: buffer.tell() // 2]


def oversized():
    """The head of a PNG of 60,000 x 60,000 pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = [(13, head), (0, b"IDAT"), (0, b"IEND")]
    chunks = (struct.pack(">I", n) + c + struct.pack(">I", zlib.crc32(c)) for n, c in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("images", [small, large])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.jpg", truncated("JPEG"), "cannot be decoded: .*truncated"),
        ("cut.png", truncated("PNG"), "cannot be decoded: .*truncated"),
        ("text.png", png_with_text(1 << 21), "cannot be decoded: .*MAX_TEXT_CHUNK"),
        ("huge.png", oversized(), "cannot be decoded: .*exceeds limit"),
        ("none.png", b"no image", "is not an image that can be read"),
        ("empty.png", b"", "is not an image that can be read"),
    ],
)
def test_an_image_that_cannot_be_read_is_named_by_both_commands(
    tmp_path, images, name, content, message
):
    write_images(tmp_path / "own/train", images(30))
    description = described(tmp_path / "own", tmp_path)
    path = tmp_path / "own/train/cat" / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path} {message}"):
        describe_folder(tmp_path / "own", Wishes("mine"))
    path.rename(tmp_path / "own/train/cat/000.png")
    with pytest.raises(DataError, match=f"000.png {message}"):
        prepared(description, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("images", [small, large])
@pytest.mark.parametrize("header", [True, False])
def test_all_images_that_cannot_be_read_are_named_at_once(tmp_path, images, header):
    """Those that are no images, and those that are cut short below a header that can be read."""
    for part in ("train", "test"):
        write_images(tmp_path / "own" / part, images(12))
    description = described(tmp_path / "own", tmp_path)
    wrong = [tmp_path / "own/train/cat/000.png", tmp_path / "own/test/dog/001.png"]
    for path in wrong:
        path.write_bytes(truncated("PNG"))
    if not header:
        wrong[0].write_bytes(b"")
    for command in (
        lambda: describe_folder(tmp_path / "own", Wishes("mine", storage=description.storage)),
        lambda: prepared(description, tmp_path / "out"),
    ):
        with pytest.raises(DataError) as said:
            command()
        assert {line.split(" ")[0] for line in str(said.value).splitlines()} == set(map(str, wrong))


@pytest.mark.parametrize("storage", ["tensor", "files"])
def test_16_bit_grey_keeps_its_shades(tmp_path, storage):
    """Pillow makes everything from 256 on white."""
    grey = fashion()[0][:30]
    write_images(tmp_path / "own/train", [Image.fromarray(g.astype(np.uint16) * 257) for g in grey])
    description = described(tmp_path / "own", tmp_path, storage=storage, image_size=28)
    assert description.image_channels == 1
    assert description.mean[0] == pytest.approx(grey.mean() / 255, abs=0.02)
    if storage == "tensor":
        dataset = prepared(description, tmp_path / "out")
        stored = {i.numpy().tobytes() for part in dataset.counts for i in dataset.stored(part)[0]}
        assert stored == {g.tobytes() for g in grey}


def test_pictures_are_turned_upright_in_training_as_in_prediction(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    images = small(30)
    for number, image in enumerate(images):
        place = tmp_path / "own/train" / CLASSES[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"{number}.png", exif=exif)
    dataset = prepared(described(tmp_path / "own", tmp_path), tmp_path / "out")
    stored = {i.numpy().tobytes() for part in dataset.counts for i in dataset.stored(part)[0]}
    assert stored == {np.rot90(np.asarray(image), -1).tobytes() for image in images}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda own: shutil.rmtree(own), "there is no folder"),
        (lambda own: shutil.rmtree(own / "train"), "own has 0 class folders; at least 2"),
        (
            lambda own: [shutil.rmtree(own / "train" / name) for name in CLASSES[1:]],
            "own/train has 1 class folders",
        ),
        (
            lambda own: [p.unlink() for p in (own / "train/dog").iterdir()],
            "own/train/dog has no images",
        ),
        (
            lambda own: [p.unlink() for p in (own / "train").rglob("*.png") if p.stem > "002"],
            "own has 3 training images, too few to hold any out",
        ),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused(tmp_path, spoil, message):
    write_images(tmp_path / "own/train", small(30))
    spoil(tmp_path / "own")
    with pytest.raises(DataError, match=message):
        describe_folder(tmp_path / "own", Wishes("mine", held_out=0.5))


def test_an_archive_is_to_be_unpacked_first(tmp_path):
    write_images(tmp_path / "own/train", small(6))
    archive = shutil.make_archive(tmp_path / "own", "tar", tmp_path / "own")
    result = CliRunner().invoke(main, ["data", "describe", archive, "--name", "mine-in-a-tar"])
    assert result.exit_code == 1
    assert result.output == (
        f"Error: {archive} is a file: unpack it, and name the folder that has a folder for each "
        "class\n"
    )


def test_a_description_is_not_overwritten_and_its_name_is_a_file_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "own/train", small(30))
    command = ["data", "describe", "own", "--name", "mine"]
    assert "Prepared:  no" in CliRunner().invoke(main, command).output
    assert load_description("mine").sources[0].folder == "own"
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 1
    assert "params/datasets/mine.yaml exists; --force replaces it" in again.output
    assert CliRunner().invoke(main, [*command, "--force"]).exit_code == 0
    for name in ("my/own", "", ".mine", "mine.yaml"):
        wrong = CliRunner().invoke(main, [*command[:-1], name])
        assert wrong.exit_code == 1
        assert "a data set cannot be called" in wrong.output


def test_folders_and_files_are_keys_of_some_formats_only(tmp_path):
    text = (ROOT / "params/datasets/fashion-mnist.yaml").read_text(encoding="utf-8")
    path = tmp_path / "wrong.yaml"
    path.write_text(text + "folders: {train: train}\n")
    with pytest.raises(ParameterError, match="key 'folders': format idx has no class folders"):
        load_description(str(path))
    path.write_text(re.sub(r"files:\n(  .*\n)+", "", text))
    with pytest.raises(ParameterError, match="key 'files': missing"):
        load_description(str(path))
