"""scikit-learn estimators in skops files, which hold types by name: only those on an allow-list are built."""

from typing import Any

from healing.errors import ModelCorrupt
from releases.flavours.registry import MODEL_FILES, ModelSource

# Types that scikit-learn's trees and calibrated classifiers need and that skops does not trust by default, and the
# wrappers of LightGBM, XGBoost and CatBoost, whose state is a model in the library's own format. The list is fixed
# here: a list from the model's own files would trust whatever the model claims. It leaves out functools.partial on
# purpose, because a partial can hold any function.
TRUSTED_TYPES = frozenset(
    {
        "catboost.core.CatBoostClassifier",
        "catboost.core.CatBoostRegressor",
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRegressor",
    }
)


def read(source: ModelSource) -> Any:
    """The estimator of a published model."""
    return read_estimator(source.content(MODEL_FILES["sklearn-skops"]), source.origin, source.trusted_types)


def read_estimator(content: bytes, origin: str, also_trusted: frozenset[str] = frozenset()) -> Any:
    """Build the estimator from skops bytes; ModelCorrupt when it needs a type that is on no allow-list.

    `also_trusted` are types that the operator of this installation has reviewed: a class is code that runs.
    """
    from skops import io
    from skops.io.exceptions import UntrustedTypesFoundException

    trusted = TRUSTED_TYPES | also_trusted
    try:
        return io.loads(content, trusted=sorted(trusted))
    except UntrustedTypesFoundException:
        unknown = set(io.get_untrusted_types(data=content)) - trusted
    except Exception as exc:
        raise ModelCorrupt(f"{origin} cannot be read as a skops model: {type(exc).__name__}: {exc}") from exc
    raise ModelCorrupt(
        f"{origin} needs types that are not on the allow-list: {', '.join(sorted(unknown))}; use plain "
        "scikit-learn estimators, or review the type and add it to the gateway's --trusted-types"
    )
