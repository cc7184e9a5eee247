"""Student's t distribution, for verdicts from few blocks or few days, where the normal law promises too much."""

import math
from functools import lru_cache

_CONTINUED_FRACTION_TERMS_MAX = 300  # converges in about 10 terms for the degrees of freedom met here
_RELATIVE_ERROR = 1e-13
_TINY = 1e-300


def upper_tail(t: float, degrees: float) -> float:
    """P(T > t) for Student's t with `degrees` of freedom, to about 1e-12.

    By the regularised incomplete beta function I_x(degrees/2, 1/2) at x = degrees / (degrees + t²)
    (Abramowitz & Stegun 26.7.1), evaluated as a continued fraction (26.5.8, Lentz's method).
    """
    if degrees <= 0:
        raise ValueError(f"degrees of freedom are positive, found {degrees}")
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    half = 0.5 * _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t))
    return half if t >= 0 else 1 - half


@lru_cache(maxsize=1024)  # the same few tails and degrees come again for every segment and every look
def upper_quantile(tail: float, degrees: float) -> float:
    """The t with P(T > t) = `tail`, for `tail` in (0, 0.5], by bisection to about 1e-12 relative."""
    if not 0 < tail <= 0.5:
        raise ValueError(f"a tail is in (0, 0.5], found {tail}")
    low, high = 0.0, 1.0
    while upper_tail(high, degrees) > tail:
        low, high = high, 2 * high
    while high - low > 1e-12 * max(1.0, high):
        middle = (low + high) / 2
        low, high = (middle, high) if upper_tail(middle, degrees) > tail else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b); the symmetric form is taken where its continued fraction converges faster."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(a, b, x) / a
    return 1 - front * _continued_fraction(b, a, 1 - x) / b


def _continued_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, _CONTINUED_FRACTION_TERMS_MAX):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for coefficient in (even, odd):
            d = 1 / _away_from_zero(1 + coefficient * d)
            c = _away_from_zero(1 + coefficient / c)
            total *= c * d
        if abs(c * d - 1) < _RELATIVE_ERROR:
            break
    return total


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
