"""Quark's observers as markers: a specification names one, nothing is calibrated here."""

from __future__ import annotations


class ObserverBase:
    """What finds the range of a tensor."""


class PlaceholderObserver(ObserverBase):
    """Finds nothing: for what has no range."""


class UniformScalingObserver(ObserverBase):
    """Finds a range, of which scale and zero point follow."""


class PerTensorMinMaxObserver(UniformScalingObserver):
    """Smallest and largest value."""


class PerTensorHistogramObserver(UniformScalingObserver):
    """The range of the histogram with the least error."""


class PerTensorHistogramObserverPro(UniformScalingObserver):
    """The range of a finer histogram with the least error."""


class PerTensorPercentileObserver(PerTensorHistogramObserver):
    """A percentile of magnitudes."""


class PerTensorMSEObserver(PerTensorHistogramObserver):
    """The range with the least mean squared error."""


class PerTensorPowOf2MinMaxObserver(PerTensorMinMaxObserver):
    """Smallest and largest value, for scales that are powers of two."""


class PerTensorPowOf2MinMSEObserver(PerTensorPowOf2MinMaxObserver):
    """The power of two with the least mean squared error."""


class PerChannelMinMaxObserver(UniformScalingObserver):
    """Smallest and largest value of each channel."""


class PerChannelPowOf2MinMaxObserver(PerChannelMinMaxObserver):
    """Smallest and largest value of each channel, for scales that are powers of two."""


class PerChannelPowOf2MinMSEObserver(PerChannelPowOf2MinMaxObserver):
    """The power of two with the least mean squared error, of each channel."""


class PerGroupMinMaxObserver(UniformScalingObserver):
    """Smallest and largest value of each group."""


class PerBlockMXObserver(ObserverBase):
    """The largest magnitude of each block."""


class PerBlockMXDiffsObserver(PerBlockMXObserver):
    """The better of two scales for each block, by the sum of squared errors."""


class PerBlockBFPObserver(ObserverBase):
    """The largest magnitude of each block, with room for what rounds up."""


def _named(base: type[ObserverBase]) -> dict[str, type[ObserverBase]]:
    found = {base.__name__: base}
    for each in base.__subclasses__():
        found |= _named(each)
    return found


OBSERVERS: dict[str, type[ObserverBase]] = _named(ObserverBase)
"""Every observer by its name."""

PER_TENSOR: dict[str, type[ObserverBase]] = {
    "min_max": PerTensorMinMaxObserver,
    "histogram": PerTensorHistogramObserver,
    "histogrampro": PerTensorHistogramObserverPro,
    "MSE": PerTensorMSEObserver,
    "percentile": PerTensorPercentileObserver,
}
"""The values of `observer_method`."""
