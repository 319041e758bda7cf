"""The learning rate of every step of a training."""

from __future__ import annotations

from anyslice.config.scale import Recipe


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step.

    With r the recipe's rate, T the number of all steps and w = round(warmup T):

        warm-up, step < w    r (step + 1) / w, of the rate that the schedule begins with
        "linear"             r (T - step) / (T - w), which would be 0 after the last step
        "step"               r gamma^d, where d milestones are over when the step's epoch begins

    "linear" after a warm-up is the schedule of "Budgeted Training" (Li, Yumer, Ramanan, ICLR
    2020); "step" is the paper's (Appendix A).

    Args:
        recipe: with at least one epoch.
        step: of the whole training, counted from 0.
        steps_per_epoch: T is this times the recipe's epochs.
    """
    total = recipe.epochs * steps_per_epoch
    warmup = round(recipe.warmup * total)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    if recipe.schedule == "linear":
        return recipe.learning_rate * (total - step) / (total - warmup)
    epoch = step // steps_per_epoch + 1
    drops = sum(epoch > milestone for milestone in recipe.milestone_epochs)
    return recipe.learning_rate * (recipe.gamma or 1.0) ** drops
