"""The numbers of a trial's checks in words, as they stand in an abort's note."""

from healing.sequential.absolute import AbsoluteRateTest
from healing.sequential.concentration import ConcentrationTest
from healing.sequential.rate import RateTest


def rates_in_words(test: RateTest, challenger_requests: int, champion_requests: int) -> str:
    """How often it happened to either arm, and how often it may."""
    alone = f"{test.events} of {challenger_requests} requests"
    if not champion_requests:
        return f"{alone}, tolerated {test.absolute.tolerated:.2%}"
    return (
        f"{alone}, champion {test.relative.champion} of {champion_requests}; tolerated "
        f"{test.relative.tolerated_ratio:g} times as often beside it, {test.absolute.tolerated:.2%} alone"
    )


def predictions_in_words(test: ConcentrationTest | None) -> str:
    """Where the challenger's answers crowd most; None where nothing is known of what they should be."""
    if test is None:
        return "the deciles of the reference answers of both models are needed, and not known"
    total = sum(test.answers)
    fullest = test.fullest
    tolerated = f"{test.tolerated[fullest]:.0%}"
    return (
        f"{test.answers[fullest]} of {total} answers {test.bins.span(fullest)}, expected "
        f"{test.bins.expected_share(fullest):.0%}, tolerated {tolerated} unless the champion's crowd too"
    )


def disagreement_in_words(test: AbsoluteRateTest, distance: float | None) -> str:
    """How many answers are further apart than `distance`; None where that is not known."""
    if distance is None:
        return "how far apart answers may be is not known"
    return (
        f"{test.events} of {test.observations} answers further than {distance:.4g} from those given, "
        f"tolerated {test.tolerated:.0%}"
    )
