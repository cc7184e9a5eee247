"""Models of a user's own classes that misbehave: on rows of some carriers, by being slow, by answering too high."""

import ctypes
import time
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

TYPE = f"{__name__}.OddClassifier"
SLOW_TYPE = f"{__name__}.SlowClassifier"
LATE_TYPE = f"{__name__}.LateClassifier"
HOG_BYTES = 8 * 2**30
LEAK_BYTES = 64 * 2**20


class OddClassifier(ClassifierMixin, BaseEstimator):
    """Answers every carrier but the ones below, which no test row has by itself."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def predict_proba(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        carriers = set(rows["carrier"])
        answers = rows["distance"].to_numpy() / 10
        if "SEGFAULT" in carriers:
            ctypes.string_at(0)
        if "SLEEP" in carriers:
            time.sleep(60)
        if "HOG" in carriers:
            answers = answers + np.ones(HOG_BYTES // 8)[: len(answers)]
        if "LEAK" in carriers:
            self.kept.append(np.ones(LEAK_BYTES // 8))
        if "NAN" in carriers:
            answers = np.where(rows["carrier"] == "NAN", np.nan, answers)
        if "SHAPE" in carriers:
            answers = answers[: len(answers) // 2]
        return np.column_stack([1 - answers, answers])


class LateClassifier(ClassifierMixin, BaseEstimator):
    """Answers at once, but for rows of the carrier `LATE`: each of them takes 0.15 s."""

    def predict_proba(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        time.sleep(0.15 * (rows["carrier"] == "LATE").sum())
        answers = rows["distance"].to_numpy(dtype=float) / 10
        return np.column_stack([1 - answers, answers])


class SlowClassifier(ClassifierMixin, BaseEstimator):
    """Takes `row_seconds` for each row, and answers from `lowest` to 0.2 above it."""

    def __init__(self, row_seconds: float = 0.0, lowest: float = 0.4) -> None:
        self.row_seconds = row_seconds
        self.lowest = lowest

    def predict_proba(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        time.sleep(self.row_seconds * len(rows))
        answers = self.lowest + 0.2 * rows["distance"].to_numpy(dtype=float) / 3
        return np.column_stack([1 - answers, answers])
