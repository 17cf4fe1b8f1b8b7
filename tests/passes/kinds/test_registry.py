"""A kind of module is one file in kinds/, and nothing else names it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import nn

from plena_cosim.golden import FormatError
from plena_cosim.passes import kinds, quantize_module_transform_pass

SOFTPLUS = """
from torch import nn

from plena_cosim.passes.modules.module_kind import SCALAR, AcceptedFormats, Built, ModuleKind
from plena_cosim.passes.modules.quant_activation import QuantActivation


class SoftplusKind(ModuleKind):
    name, priority = "softplus", 1000
    accepts = AcceptedFormats(roles={"data_in": SCALAR})
    owns_weights = False

    def recognise(self, module):
        return type(module) is nn.Softplus

    def build(self, request):
        fmt, where = request.selector.formats.data_in, request.where
        return Built(modules={"": QuantActivation(request.module, fmt, hw=None, where=where)})


KIND = SoftplusKind()
"""
RECIPE = {
    "by": "type",
    "softplus": {"name": "minifloat", "data_in_exponent_width": 4, "data_in_frac_width": 3},
}


@pytest.fixture
def softplus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more file, in a second folder of the package."""
    (tmp_path / "softplus.py").write_text(SOFTPLUS)
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    kinds.all_kinds.cache_clear()
    yield
    sys.modules.pop("plena_cosim.passes.kinds.softplus", None)
    kinds.all_kinds.cache_clear()


@pytest.mark.usefixtures("softplus")
def test_one_file_adds_a_kind() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Softplus())
    _, info = quantize_module_transform_pass(model, RECIPE)
    assert {name: found.kind for name, found in info.items()} == {"1": "softplus"}
    assert info["1"].data_in == "e4m3"
    assert isinstance(model[1].inner, nn.Softplus)


def test_without_the_file_there_is_no_such_kind() -> None:
    with pytest.raises(FormatError, match=r"matches '1' \(Softplus\), but a recipe changes only"):
        quantize_module_transform_pass(nn.Sequential(nn.Linear(2, 2), nn.Softplus()), RECIPE)


def test_kinds_have_names_and_priorities_of_their_own() -> None:
    found = kinds.all_kinds()
    assert len({kind.name for kind in found}) == len(found)
    assert [kind.priority for kind in found] == sorted({kind.priority for kind in found})
