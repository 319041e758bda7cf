"""The kinds of quantities that params/claims.yaml may name, by the key `kind`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from anyslice.claims.costs import (
    AddedParameters,
    CostReduction,
    Operations,
    OutOfReach,
    TrainingMacs,
    TrainingPasses,
    TrainingTime,
)
from anyslice.claims.errors import (
    BestAtCost,
    CostAtError,
    ErrorAtCost,
    ErrorDifference,
    ErrorReduction,
    ErrorReductionAtSameCost,
    GapEverywhere,
    GapGrowth,
    LargestGap,
    MeanGap,
    Saving,
    SubnetworkError,
)
from anyslice.claims.joint import FallOfNorms, LossByJointTraining, LossRatio
from anyslice.claims.levels import (
    AboveTheFullNetwork,
    FineLabelsHarder,
    FullNetworkBetter,
    LossByLevels,
    TaxonomyCount,
    WorstCase,
    WorstCaseGain,
)

Measure = Annotated[
    AboveTheFullNetwork
    | AddedParameters
    | BestAtCost
    | CostAtError
    | CostReduction
    | ErrorAtCost
    | ErrorDifference
    | ErrorReduction
    | ErrorReductionAtSameCost
    | FallOfNorms
    | FineLabelsHarder
    | FullNetworkBetter
    | GapEverywhere
    | GapGrowth
    | LargestGap
    | LossByJointTraining
    | LossByLevels
    | LossRatio
    | MeanGap
    | Operations
    | OutOfReach
    | Saving
    | SubnetworkError
    | TaxonomyCount
    | TrainingMacs
    | TrainingPasses
    | TrainingTime
    | WorstCase
    | WorstCaseGain,
    Field(discriminator="kind"),
]
