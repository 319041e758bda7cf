"""Predictions within a budget, from an exported folder; needs NumPy, ONNX Runtime and Pillow."""

from __future__ import annotations

from anyslice.runtime.errors import BudgetError, ImageError, ModelFolderError
from anyslice.runtime.prediction import Prediction
from anyslice.runtime.predictor import AnytimePredictor

__all__ = ["AnytimePredictor", "BudgetError", "ImageError", "ModelFolderError", "Prediction"]
