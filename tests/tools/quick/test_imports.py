"""The import graph: a toy checkout, and this one against import-linter's own graph."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.quick.imports import ImportGraph, module_name, read_graph
from tools.quick.rules import FOLDERS

ROOT = Path(__file__).parents[3]
TOY = {
    "src/toy/__init__.py": "from .reader import read\nfrom .shape import Shape as Form\nX = 1\n",
    "src/toy/reader.py": "from . import shape\ndef read(): return shape\n",
    "src/toy/shape.py": "class Shape: pass\n",
    "src/toy/lazy.py": "def run():\n    from .reader import read\n    return read\n",
    "tests/conftest.py": "",
    "tests/oracle.py": "",
    "tests/test_form.py": "from toy import Form\nfrom .oracle import x\n",
    "tests/test_local.py": "from toy import X\n",
    "tests/test_lazy.py": "import toy.lazy\n",
    "tests/test_patch.py": "def test(monkeypatch): monkeypatch.setattr('toy.shape.Shape', 1)\n",
    "tests/test_child.py": "PROGRAM = 'import sys; from toy.lazy import run'\n",
    "tests/test_gone.py": "from toy.gone import what\n",
}
TOY_FOLDERS = {"src/toy": "toy", "tests": "tests"}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ImportGraph:
    root = tmp_path_factory.mktemp("toy")
    for path, text in TOY.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return read_graph(root, TOY_FOLDERS, gone=["toy.gone"])


@pytest.fixture(scope="module")
def real() -> ImportGraph:
    return read_graph(ROOT, FOLDERS)


def test_modules_have_the_name_of_their_folder() -> None:
    assert module_name("golden/ops/gelu.py", FOLDERS) == "plena_cosim.golden.ops.gelu"
    assert module_name("src/plena_cosim/__init__.py", FOLDERS) == "plena_cosim.__init__"
    assert module_name("golden/notes.md", FOLDERS) is None
    assert module_name("setup.py", FOLDERS) is None


@pytest.mark.parametrize(
    ("changed", "test", "distance"),
    [
        ("toy.shape", "tests.test_form", 1),  # passed on by the package under another name
        ("toy.reader", "tests.test_form", None),  # not what it asks the package for
        ("toy.__init__", "tests.test_form", 1),
        ("toy.shape", "tests.test_local", 2),  # of the package itself, so of all that it imports
        ("toy.reader", "tests.test_lazy", 2),  # an import inside a function
        ("toy.shape", "tests.test_patch", 1),  # named in a string
        ("toy.lazy", "tests.test_child", 1),  # in the program of a child process
        ("toy.gone", "tests.test_gone", 1),  # deleted
        ("tests.conftest", "tests.test_form", 1),
        ("tests.oracle", "tests.test_form", 1),
        ("tests.oracle", "tests.test_lazy", None),
    ],
)
def test_distance(toy: ImportGraph, changed: str, test: str, distance: int | None) -> None:
    assert toy.distances([changed]).get(test) == distance


def test_the_nearest_change_counts(toy: ImportGraph) -> None:
    assert toy.distances(["toy.reader", "toy.lazy"])["tests.test_lazy"] == 1
    assert toy.distances(["toy.lazy"])["toy.lazy"] == 0


def test_import_linter_knows_no_import_that_is_missing_here(real: ImportGraph) -> None:
    grimp = pytest.importorskip("grimp")
    graph = grimp.build_graph("plena_cosim", cache_dir=None)
    missing = []
    for importer in graph.modules:
        file = f"{importer}.__init__"
        ours = real.imports.get(importer, frozenset())
        for imported in graph.find_modules_directly_imported_by(importer):
            if not {imported, f"{imported}.__init__"} & ours and importer != file:
                missing.append((importer, imported))
    assert not missing
    assert len(graph.modules) > 200
