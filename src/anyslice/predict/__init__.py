"""Predictions within a budget, from the folder of a finished training."""

from __future__ import annotations

from anyslice.predict.errors import BudgetError, ImageError, RunFolderError
from anyslice.predict.prediction import Prediction
from anyslice.predict.predictor import AnytimePredictor

__all__ = ["AnytimePredictor", "BudgetError", "ImageError", "Prediction", "RunFolderError"]
