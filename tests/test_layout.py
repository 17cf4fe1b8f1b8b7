"""Nothing is half there: every op has RTL and a test, every golden file a mirrored test."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.golden.ops import OPS

ROOT = Path(__file__).parents[1]
GOLDEN = sorted(
    path.relative_to(ROOT / "golden")
    for path in (ROOT / "golden").rglob("*.py")
    if path.name != "__init__.py"
)


@pytest.mark.parametrize("path", GOLDEN, ids=str)
def test_every_golden_file_has_a_mirrored_test(path: Path) -> None:
    mirror = ROOT / "tests" / "golden" / path.parent / f"test_{path.name}"
    assert mirror.is_file(), f"golden/{path} has no test; write {mirror.relative_to(ROOT)}"


@pytest.mark.parametrize("name", OPS)
def test_every_op_has_its_module(name: str) -> None:
    module = OPS[name].module
    found = [str(path.relative_to(ROOT)) for path in (ROOT / "rtl").glob(f"*/{module}.sv")]
    assert len(found) == 1, f"op {name} needs one file rtl/*/{module}.sv, found {found or 'none'}"
    text = (ROOT / found[0]).read_text(encoding="utf-8")
    assert f"module {module}" in text, f"{found[0]} does not define module {module}"


@pytest.mark.parametrize("name", OPS)
def test_every_op_has_a_golden_file_with_a_test(name: str) -> None:
    source = OPS[name].golden.__module__.split("plena_cosim.golden.")[1].replace(".", "/")
    assert (ROOT / "golden" / f"{source}.py").is_file()
    folder, _, stem = source.rpartition("/")
    test = ROOT / "tests" / "golden" / folder / f"test_{stem}.py"
    assert test.is_file(), f"op {name} has no test; write {test.relative_to(ROOT)}"
    assert OPS[name].golden.__name__ in test.read_text(encoding="utf-8")


def test_every_golden_test_mirrors_a_source() -> None:
    free = {"test_traps.py", "test_doctests.py"}  # about all sources at once
    tests = (ROOT / "tests" / "golden").rglob("test_*.py")
    for test in sorted(path for path in tests if path.name not in free):
        source = test.relative_to(ROOT / "tests" / "golden")
        mirrored = source.with_name(source.name.removeprefix("test_"))
        assert mirrored in GOLDEN, f"tests/golden/{source} mirrors no file of golden"
