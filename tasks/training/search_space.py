"""Parameter combinations that a search tries: all of a small grid, else random draws from lists and ranges."""

from collections.abc import Mapping
from typing import Any

from healing.errors import ConfigError
from tasks.config.retrain_section import ROWS, Range, Search

Parameters = Mapping[str, Any]


def draw_candidates(rules: Search, seed: int) -> list[Parameters]:
    """Combinations to try besides the estimator as written. A grid is drawn from without repetition."""
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    count = rules.candidates_max - 1
    space = {
        name: _distribution(values) if isinstance(values, Range) else list(values)
        for name, values in sorted(rules.parameters.items())
    }
    if not any(isinstance(values, Range) for values in rules.parameters.values()):
        count = min(count, len(ParameterGrid(space)))
    drawn = ParameterSampler(space, count, random_state=seed)
    return [{name: value.item() if hasattr(value, "item") else value for name, value in each.items()} for each in drawn]


def check_parameters(estimator: Any, rules: Search) -> None:
    """Raise ConfigError if the search names a parameter that `estimator` does not have."""
    known = estimator.get_params(deep=True)
    for name in [*rules.parameters, *([] if rules.resource == ROWS else [rules.resource])]:
        if name not in known:
            raise ConfigError(
                f"retrain.search names parameter {name!r}, which the estimator does not have; it has "
                f"{', '.join(sorted(known))}"
            )
    if rules.resource != ROWS and not isinstance(known[rules.resource], int):
        raise ConfigError(
            f"expected retrain.search.resource {rules.resource!r} to be a whole number of the estimator, found "
            f"{known[rules.resource]!r}; use 'rows'"
        )


def _distribution(values: Range) -> Any:
    """A distribution over the range, in the form that scikit-learn samples from."""
    from scipy import stats

    if values.scale == "log":
        log_uniform = stats.loguniform(values.low, values.high)
        return _Rounded(log_uniform) if values.is_whole else log_uniform
    if values.is_whole:
        return stats.randint(values.low, values.high + 1)
    return stats.uniform(values.low, values.high - values.low)


class _Rounded:
    """Draws of another distribution, rounded to whole numbers."""

    def __init__(self, distribution: Any) -> None:
        self._distribution = distribution

    def rvs(self, random_state: Any) -> int:
        return round(float(self._distribution.rvs(random_state=random_state)))
