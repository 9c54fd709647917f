"""Prediction-powered inference: a rate from many predictions and a few labels, with its interval.

Angelopoulos et al., Science 2023 (doi 10.1126/science.adi6000); the weight of the predictions is
tuned as in PPI++ (Angelopoulos, Duchi & Zrnic 2023, arXiv 2311.01453):

    rate = λ mean(f over unlabelled rows) + mean(y - λ f over labelled rows)

with f the predicted probability and y the label of a row. λ = 0 uses the labels alone, λ = 1 trusts
the predictions but for their mean error; the best λ follows from how well f explains y. Rows count
with their weights (Hájek). Pure functions of sums, so that a database can make the sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z95 = 1.959964
NOISE = 1e-12  # a variance below it is the rounding of sums
MIN_LABELS = 20  # coverage with fewer was not measured


@dataclass(frozen=True, slots=True)
class Sums:
    """Of rows with weight w, prediction f and label y (0 where there is none)."""

    n: int = 0
    w: float = 0.0
    wf: float = 0.0
    wy: float = 0.0
    ww: float = 0.0
    wwf: float = 0.0
    wwy: float = 0.0
    wwff: float = 0.0
    wwfy: float = 0.0
    wwyy: float = 0.0

    @property
    def f(self) -> float:
        """The mean prediction."""
        return self.wf / self.w

    @property
    def y(self) -> float:
        """The mean label."""
        return self.wy / self.w

    @property
    def effective(self) -> float:
        """How many equally weighted rows say as much (Kish 1965)."""
        return self.w * self.w / self.ww

    def plus(self, w: float, f: float, y: float) -> Sums:
        """With one more row."""
        return Sums(
            n=self.n + 1,
            w=self.w + w,
            wf=self.wf + w * f,
            wy=self.wy + w * y,
            ww=self.ww + w * w,
            wwf=self.wwf + w * w * f,
            wwy=self.wwy + w * w * y,
            wwff=self.wwff + w * w * f * f,
            wwfy=self.wwfy + w * w * f * y,
            wwyy=self.wwyy + w * w * y * y,
        )

    def variance_of_f(self) -> float:
        """Of the mean prediction."""
        return max(0.0, self._of_mean(self.wwff - 2 * self.f * self.wwf + self.f**2 * self.ww))

    def variance_of_y(self) -> float:
        return max(0.0, self._of_mean(self.wwyy - 2 * self.y * self.wwy + self.y**2 * self.ww))

    def covariance(self) -> float:
        """Of the mean prediction and the mean label."""
        cross = self.wwfy - self.f * self.wwy - self.y * self.wwf + self.f * self.y * self.ww
        return self._of_mean(cross)

    def _of_mean(self, squares: float) -> float:
        small = self.n / (self.n - 1) if self.n > 1 else 1.0
        return squares / self.w**2 * small


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimated rate; [low, high] holds the true one in 95 of 100 cases."""

    estimate: float
    low: float
    high: float


def prediction_powered(labelled: Sums, rest: Sums) -> Interval:
    """The rate from labelled rows, picked at random, and the rest.

    For the interval one positive and one negative label of mean prediction are added to the real
    ones (as Agresti & Coull 1998 do): without them it collapses where no label is positive.
    """
    weight, middle = labelled.w / labelled.n, labelled.f
    smooth = labelled.plus(weight, middle, 0.0).plus(weight, middle, 1.0)
    trust = power(smooth, rest)
    elsewhere = trust * rest.f if trust else 0.0
    centre = elsewhere + smooth.y - trust * smooth.f
    variance = smooth.variance_of_y() - 2 * trust * smooth.covariance()
    variance += trust**2 * (smooth.variance_of_f() + (rest.variance_of_f() if trust else 0.0))
    half = student(labelled.effective - 1) * sqrt(max(variance, 0.0))
    return _within(elsewhere + labelled.y - trust * labelled.f, centre - half, centre + half)


def power(labelled: Sums, rest: Sums) -> float:
    """λ of PPI++, in [0, 1]: how much the predictions count."""
    if not rest.n:
        return 0.0
    spread = labelled.variance_of_f() + rest.variance_of_f()
    return min(max(labelled.covariance() / spread, 0.0), 1.0) if spread > NOISE else 0.0


def predictions_only(rows: Sums) -> Interval:
    """The mean prediction; its interval holds only where the predictions are calibrated."""
    half = student(rows.effective - 1) * sqrt(rows.variance_of_f())
    return _within(rows.f, rows.f - half, rows.f + half)


def student(freedom: float) -> float:
    """The two-sided 95 % point of Student's t (Cornish-Fisher expansion, 1 % off at 5)."""
    nu = max(freedom, 5.0)
    first = (Z95**3 + Z95) / (4 * nu)
    return Z95 + first + (5 * Z95**5 + 16 * Z95**3 + 3 * Z95) / (96 * nu**2)


def _within(estimate: float, low: float, high: float) -> Interval:
    """A rate lies in [0, 1], and its estimate in its interval."""
    rate = min(max(estimate, 0.0), 1.0)
    return Interval(rate, max(0.0, min(low, rate)), min(1.0, max(high, rate)))
