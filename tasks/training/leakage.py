"""Too good to be true: what a candidate that knows the label beforehand looks like. It is said, and decides nothing.

Whether a feature was known when it was asked for cannot be seen in the lake; that is the duty of the pipeline's
features function. What can be seen is a model that suddenly explains far more than any before it.
"""

EXPLAINED_MAX = 0.9  # of the base rate's loss: hardly any question about the future can be answered so well
LEAP_MAX = 0.4  # of the base rate's loss in one retrain; a champion that does worse than it counts as equal to it
BASELINE_LOSS_MIN = 1e-6  # nats a row: below, there is nothing to explain


def suspicion(candidate_loss: float, base_loss: float, champion_loss: float | None) -> str:
    """Why a candidate may have seen the labels; empty without suspicion. Losses are means over the same held-out rows.

    >>> suspicion(0.5, 0.55, 0.52)
    ''
    """
    if base_loss < BASELINE_LOSS_MIN:
        return ""
    explained = 1 - candidate_loss / base_loss
    before = None if champion_loss is None else 1 - champion_loss / base_loss
    leap = before is not None and explained - max(0.0, before) > LEAP_MAX
    if explained <= EXPLAINED_MAX and not leap:
        return ""
    champion = "" if before is None else f", the champion {before:.0%}"
    return (
        f"too good to be true? It explains {explained:.0%} of the base rate's loss{champion}. Check that every "
        "feature was known when it was asked for"
    )
