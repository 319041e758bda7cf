"""The sample of the validation images."""

import hashlib

from anyslice.datasets.prepare import hold_out


def test_the_validation_images_of_cifar10_are_pinned():
    sampled = hold_out(50_000, 5_000, 2018, "validation")
    digest = hashlib.sha256(repr(sampled).encode()).hexdigest()
    assert digest == "e56673d9b53fb81bb43eb9bd1a849a997808a4f2c77f5a2e0f4541a548af9a44"


def test_as_many_as_asked_are_held_out_from_everywhere():
    sampled = hold_out(10_000, 1_000, 1, "validation")
    assert len(set(sampled)) == 1_000
    assert sampled == sorted(sampled)
    for start in range(0, 10_000, 2_500):
        assert 200 < sum(start <= index < start + 2_500 for index in sampled) < 300


def test_another_seed_and_another_part_have_other_samples():
    samples = [hold_out(1_000, 100, *of) for of in ((1, "test"), (2, "test"), (1, "validation"))]
    assert len({tuple(sample) for sample in samples}) == 3
