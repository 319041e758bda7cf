"""The descriptions in params/datasets, and what a wrong one says."""

import pytest
from made import ROOT

from anyslice.config.checked_yaml import ParameterError
from anyslice.config.dataset import load_description

FOLDER = ROOT / "params/datasets"
NAMES = (
    "cifar10",
    "cifar100",
    "cub",
    "fashion-mnist",
    "fashion-mnist-files",
    "fashion-mnist-quick",
    "fashion-mnist-three-level",
    "fashion-mnist-two-level",
    "imagenet",
)
"""Those of the project: descriptions that a user adds need not say as much."""


@pytest.mark.parametrize("name", NAMES)
def test_every_description_is_valid_and_says_where_the_files_are_and_what_may_be_done(name):
    description = load_description(name, FOLDER)
    assert description.name == name
    assert description.licence
    assert description.terms
    assert description.files
    assert all(description.files.values())


@pytest.mark.parametrize(
    ("name", "held_out", "train", "test", "classes"),
    [
        ("cifar10", 5_000, 50_000, 10_000, 10),
        ("cifar100", 5_000, 50_000, 10_000, 100),
        ("imagenet", 50_000, 1_281_167, 50_000, 1_000),
        ("cub", 1_000, 5_994, 5_794, 200),
        ("fashion-mnist", 5_000, 60_000, 10_000, 10),
    ],
)
def test_splits_are_those_of_appendix_a(name, held_out, train, test, classes):
    description = load_description(name, FOLDER)
    counts = description.counts
    assert (counts.validation, counts.train + counts.validation) == (held_out, train)
    assert (counts.test, len(description.classes)) == (test, classes)


def test_cifar100_has_20_coarse_labels_of_5_classes():
    (level,) = load_description("cifar100", FOLDER).levels
    assert [len(members) for members in level.values()] == [5] * 20


def test_imagenet_labels_follow_the_order_of_the_wordnet_ids():
    description = load_description("imagenet", FOLDER)
    assert list(description.class_ids) == sorted(set(description.class_ids))
    assert description.class_ids[281] == "n02123045"
    assert description.classes[281] == "tabby"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "mean: [0.2202]",
            "mean: [0.2, 0.2]",
            r"key 'mean': 1 are needed, one for each channel \(found 2",
        ),
        (
            "  - Bag\n",
            "",
            r"key 'levels.0': every class must have exactly one label; see \['Bag'\]",
        ),
        ("image_size: 16", "image_size: '16'", "key 'image_size': Input should be a valid integer"),
        ("split_seed: 2018", "split_sed: 2018", "key 'split_sed': unknown; choose from title, "),
        ("- Dress", "- Coat", "key 'classes': a name appears twice"),
        ("std: [0.", "std: [0, 0.", "key 'std.0': Input should be greater than 0"),
        ("sha256:fb5d", "sha256:xyz", "key 'files.train-images-idx3-ubyte.gz.0': String should"),
    ],
)
def test_a_wrong_value_is_named_with_its_file_and_key(tmp_path, old, new, message):
    text = (FOLDER / "fashion-mnist-two-level.yaml").read_text()
    assert old in text
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ParameterError, match=message) as caught:
        load_description(str(path))
    assert str(path) in str(caught.value)


def test_all_that_contradicts_itself_is_said_at_once(tmp_path):
    text = (FOLDER / "fashion-mnist-two-level.yaml").read_text()
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace("mean: [0.2202]", "mean: []").replace("- Dress", "- Coat"))
    with pytest.raises(ParameterError, match=r"(?s)key 'mean'.*\n.*key 'classes'"):
        load_description(str(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("test: 1000", "test: 1001", "key 'counts': 1001 images cannot be split evenly into 10"),
        ("class_ids: [t-shirt, ", "class_ids: [", "key 'class_ids': 10 are needed"),
        ("format: idx", "format: ilsvrc-2012\nstorage: tensor", "images of format ilsvrc-2012 are"),
    ],
)
def test_files_need_a_folder_and_as_many_images_for_each_class(tmp_path, old, new, message):
    text = (FOLDER / "fashion-mnist-files.yaml").read_text()
    assert old in text
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace("storage: files\n" * ("storage" in new), "").replace(old, new))
    with pytest.raises(ParameterError, match=message):
        load_description(str(path))


def test_an_unknown_data_set_lists_those_that_there_are():
    with pytest.raises(
        ParameterError, match=r"no data set 'mnist'.*choose from .*cifar10, .*cifar100"
    ):
        load_description("mnist", FOLDER)


def test_where_no_descriptions_are_the_message_says_where_to_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="run this from the top of the repository"):
        load_description("cifar10")
