"""A model that serves in a replay, as the monitor sees it: rows from memory, each predicted once."""

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from tasks.backtest.fits import AcceptedModel
from tasks.backtest.history import History
from tasks.evaluation.labels import day_end
from tasks.evaluation.predictions import classes_of, is_known, predictions_in, unknown_predictions, with_predictions
from tasks.lake.columns import LOGGED
from tasks.monitoring.checks.quality import judge_quality_windows
from tasks.monitoring.distances import columns_of, distance
from tasks.monitoring.monitored_model import MonitoredModel
from tasks.monitoring.persistence import persists
from tasks.monitoring.windows import DayRange

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

PRESET_DISTANCE = 0.1  # Evidently's threshold for a column, with more than 1,000 rows of reference


@dataclass(frozen=True)
class ServingModel:
    """The model that serves from one promotion to the next. Each row is predicted when a day first needs it."""

    history: History
    accepted: AcceptedModel

    def at(self, until: date) -> "ReplayedModel":
        """The model as the monitor sees it at the end of day `until`."""
        return ReplayedModel(
            champion=self.accepted.model,
            labels=self.history.source,
            until=until,
            accepted_until=self.accepted.accepted_until,
            rules=self.history.pipeline.monitor,
            answers=self.accepted.answers,
            accepted_from=self.accepted.accepted_from,
            history=self.history,
            known=self._known,
        )

    def quality_dropped_at(self, day: date) -> bool:
        """Whether a drop of quality on mature labels persists at the end of `day`. Found once."""
        if day not in self._dropped:
            self._dropped[day] = self.at(day).quality_dropped
        return self._dropped[day]

    @property
    def _known(self) -> "NDArray[np.float64]":
        if not self._predictions:
            classes = classes_of(self.accepted.model.manifest)
            self._predictions.append(unknown_predictions(len(self.history.rows), classes))
        return self._predictions[0]

    _predictions: "list[NDArray[np.float64]]" = field(default_factory=list, repr=False)
    _dropped: dict[date, bool] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class ReplayedModel(MonitoredModel):
    """`known` are the predictions that the model has made, by row of the history; NaN for the others."""

    history: History = field(kw_only=True)
    known: "NDArray[np.float64]" = field(kw_only=True)

    def features(self, since: date, until: date) -> "pd.DataFrame":
        return self.history.features(since, until)

    def with_labels(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        return self.history.with_labels(rows, day_end(self.until, self.labels.zone))

    def with_predictions(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        import numpy as np

        places = self.history.places_of(rows)
        classes = classes_of(self.champion.manifest)
        missing = np.flatnonzero(~is_known(self.known[places]))
        if missing.size:
            self.known[places[missing]] = predictions_in(super().with_predictions(rows.iloc[missing]), classes)
        return with_predictions(rows, self.known[places], classes)

    def predicted(self, window: DayRange) -> "pd.DataFrame":
        """No prediction of a replayed model was logged."""
        return self.with_predictions(self.features(window.since, window.until)).assign(**{LOGGED: False})

    @property
    def quality_dropped(self) -> bool:
        """Whether a drop of quality on mature labels persists."""
        outcomes = [found.verdict.outcome for found in judge_quality_windows(self)]
        return persists(outcomes, self.rules.persistence_failed, self.rules.persistence_windows)

    def preset_reports_drift(self, share: float | None) -> bool:
        """The verdict of Evidently's preset on the newest window, from our distances: they equal the preset's to 1e-9.

        It reports drift for one drifted column or more; with `share`, for at least that share of drifted columns. Its
        reference are the model's last training and acceptance days, as many as in the monitor's checks.
        """
        windows = self.windows(self.rules.window_days, 1)
        if not windows:
            return False
        kinds = self.input_kinds
        window = self.features(windows[0].since, windows[0].until)
        now, usual = (columns_of(rows, kinds) for rows in (window, self.reference_inputs()))
        drifted = sum(distance(now[name], usual[name]) >= PRESET_DISTANCE for name in kinds)
        return drifted / len(kinds) >= share if share else drifted > 0
