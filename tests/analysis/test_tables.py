"""Tables are made from the files of trainings."""

import pytest

from anyslice.analysis.tables import runs_table
from anyslice.config.scale import load_scale
from anyslice.errors import AnysliceError


def test_a_training_that_is_missing_is_named_with_what_to_do(tmp_path):
    scale = load_scale("quick")
    with pytest.raises(AnysliceError, match=r"seed1/metrics.json is not there yet; .*status"):
        runs_table(scale, scale.shown, tmp_path)
