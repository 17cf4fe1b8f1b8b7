"""Names of a package are imported when they are asked for, each once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from plena_cosim.ground.lazily import lazily

PACKAGE = """
from plena_cosim.ground.lazily import lazily
__getattr__ = lazily(__name__, {".heavy": ("weigh",), ".whole": ()})
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch):
    folder = tmp_path / "lazy_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "heavy.py").write_text("def weigh(): return 3\n")
    (folder / "whole.py").write_text("value = 4\n")
    monkeypatch.syspath_prepend(tmp_path)
    import lazy_package

    yield lazy_package
    for name in [name for name in sys.modules if name.startswith("lazy_package")]:
        del sys.modules[name]


def test_a_name_is_imported_when_it_is_asked_for(package) -> None:
    assert "lazy_package.heavy" not in sys.modules
    assert package.weigh() == 3
    assert "weigh" in vars(package)  # not looked up again
    assert "lazy_package.whole" not in sys.modules


def test_a_module_can_be_a_name(package) -> None:
    assert package.whole.value == 4


def test_a_name_is_not_that_of_a_module() -> None:
    with pytest.raises(ValueError, match=r"some: \.weigh is a module and a name in it"):
        lazily("some", {".weigh": ("weigh",), ".other": ("thing",)})


def test_an_unknown_name_is_the_usual_error(package) -> None:
    with pytest.raises(AttributeError, match="module 'lazy_package' has no attribute 'wieght'"):
        _ = package.wieght
    with pytest.raises(ImportError, match="cannot import name 'wieght'"):
        from lazy_package import wieght  # noqa: F401
