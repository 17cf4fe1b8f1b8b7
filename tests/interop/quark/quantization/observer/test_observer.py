"""The observers are found by name, and the words of `observer_method` name some of them."""

from __future__ import annotations

from plena_cosim.interop.quark.quantization.observer import observer


def test_every_observer_is_known_by_its_name() -> None:
    written = {name for name in vars(observer) if "Observer" in name}
    assert set(observer.OBSERVERS) == written
    for name, found in observer.OBSERVERS.items():
        assert found is getattr(observer, name)
        assert issubclass(found, observer.ObserverBase)
    assert {
        "PerChannelMinMaxObserver",
        "PerGroupMinMaxObserver",
        "PerBlockMXObserver",
        "PerBlockMXDiffsObserver",
        "PerBlockBFPObserver",
        "PerTensorHistogramObserverPro",
    } <= written


def test_the_words_of_observer_method() -> None:
    assert {word: found.__name__ for word, found in observer.PER_TENSOR.items()} == {
        "min_max": "PerTensorMinMaxObserver",
        "histogram": "PerTensorHistogramObserver",
        "histogrampro": "PerTensorHistogramObserverPro",
        "MSE": "PerTensorMSEObserver",
        "percentile": "PerTensorPercentileObserver",
    }
