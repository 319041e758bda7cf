"""The kinds of quantities that params/claims.yaml may name, by the key `kind`.

Those of errors are in `anyslice.claims.errors`; likewise for the other modules here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from anyslice.claims import costs, errors, joint, levels

Measure = Annotated[
    costs.AddedParameters
    | costs.CostReduction
    | costs.Operations
    | costs.OutOfReach
    | costs.TrainingMacs
    | costs.TrainingPasses
    | costs.TrainingTime
    | errors.BestAtCost
    | errors.CostAtError
    | errors.ErrorAtCost
    | errors.ErrorDifference
    | errors.ErrorReduction
    | errors.ErrorReductionAtSameCost
    | errors.GapEverywhere
    | errors.GapGrowth
    | errors.LargestGap
    | errors.MeanGap
    | errors.Saving
    | errors.SubnetworkError
    | joint.FallOfNorms
    | joint.LossByJointTraining
    | joint.LossRatio
    | levels.AboveTheFullNetwork
    | levels.FineLabelsHarder
    | levels.FullNetworkBetter
    | levels.LossByLevels
    | levels.TaxonomyCount
    | levels.WorstCase
    | levels.WorstCaseGain,
    Field(discriminator="kind"),
]
