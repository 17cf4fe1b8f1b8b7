"""RangeRule: how calibration data become the range of a static scale."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import Enum
from math import isfinite

from plena_cosim.golden.formats import FormatError, as_enum


class RangeMethod(Enum):
    """What of the data is the range; docs/calibration.md has each in three sentences."""

    MIN_MAX = "min_max"
    """From the smallest to the largest value."""
    PERCENTILE = "percentile"
    """Magnitudes up to a percentile of them."""
    HISTOGRAM = "histogram"
    """From the first to the last bin of a histogram: as MIN_MAX."""
    HISTOGRAM_PRO = "histogram_pro"
    """Bins cut off at both ends as long as the error within them falls."""
    MSE = "mse"
    """Magnitudes up to the bin with the least squared error."""
    ENTROPY = "entropy"
    """Magnitudes up to the bin with the least Kullback-Leibler divergence."""


_DEFAULTS: dict[RangeMethod, dict[str, float | int | bool]] = {
    RangeMethod.MIN_MAX: {},
    RangeMethod.PERCENTILE: {"percentile": 99.99999999, "skip_zeros": True},
    RangeMethod.HISTOGRAM: {},
    RangeMethod.HISTOGRAM_PRO: {"bins": 256},
    RangeMethod.MSE: {"bins": 2048, "start_bin": 2045},
    RangeMethod.ENTROPY: {"bins": 2048, "start_bin": 128},
}
"""What each method reads: AMD Quark 0.13's values, modelopt 0.47's of ENTROPY."""

AS_MIN_MAX = (RangeMethod.MIN_MAX, RangeMethod.HISTOGRAM)
"""Methods whose range is from the smallest to the largest value."""

MOST_BINS = 1 << 16
"""Bins of a histogram at first; it may grow beyond."""


@dataclass(frozen=True)
class RangeRule:
    """How calibration data become a range.

    Args:
        method: one of `RangeMethod`, or its name.
        percentile: percent of the magnitudes that are within the range, above 0 and at most 100; of
            `percentile` only.
        skip_zeros: zeros do not count as magnitudes; of `percentile` only.
        bins: of the histogram, 4..65536; of `histogram_pro`, `mse` and `entropy`.
        start_bin: the first bin at which a range may end, below `bins`; of `mse` and `entropy`.

    What is None becomes the default of the method: percentile 99.99999999 and skip_zeros True;
    bins 256 (`histogram_pro`) or 2048; start_bin 2045 (`mse`) or 128 (`entropy`).

    Raises:
        FormatError: an unknown method, a value out of range, or one that the method does not read.

    >>> RangeRule("mse").bins, RangeRule("percentile", percentile=99.9).skip_zeros
    (2048, True)
    """

    method: RangeMethod | str = RangeMethod.MIN_MAX
    _: KW_ONLY
    percentile: float | None = None
    skip_zeros: bool | None = None
    bins: int | None = None
    start_bin: int | None = None

    def __post_init__(self) -> None:
        method = as_enum(RangeMethod, self.method, "range method")
        object.__setattr__(self, "method", method)
        defaults = _DEFAULTS[method]
        for key in ("percentile", "skip_zeros", "bins", "start_bin"):
            given = getattr(self, key)
            if key in defaults:
                object.__setattr__(self, key, defaults[key] if given is None else given)
            elif given is not None:
                reads = ", ".join(defaults) or "nothing else"
                raise FormatError(
                    f"range method {method.value!r} does not read {key} (got {given!r}); "
                    f"it reads {reads}"
                )
        if self.percentile is not None:
            self._check_percentile(self.percentile)
        if not isinstance(self.skip_zeros, (bool, type(None))):
            raise FormatError(f"skip_zeros must be True or False, got {self.skip_zeros!r}")
        if self.bins is not None:
            _check_whole("bins", self.bins, 4, MOST_BINS)
        if self.start_bin is not None:
            assert self.bins is not None
            _check_whole("start_bin", self.start_bin, 1, self.bins - 1)

    def _check_percentile(self, given: object) -> None:
        number = isinstance(given, (int, float)) and not isinstance(given, bool)
        if not number or not (isfinite(given) and 0 < given <= 100):  # type: ignore[arg-type, operator]
            raise FormatError(f"percentile must be above 0 and at most 100, got {given!r}")
        object.__setattr__(self, "percentile", float(given))  # type: ignore[arg-type]


def _check_whole(key: str, given: object, least: int, most: int) -> None:
    whole = isinstance(given, int) and not isinstance(given, bool)
    if not whole or not least <= given <= most:  # type: ignore[operator]
        raise FormatError(f"{key} must be an integer in {least}..{most}, got {given!r}")
