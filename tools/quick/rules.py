"""What the import graph cannot know: which tests read which files, and where mirrors stand."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import PurePosixPath

FOLDERS = {
    "src/plena_cosim": "plena_cosim",
    "golden": "plena_cosim.golden",
    "sim": "plena_cosim.sim",
    "tests": "tests",
    "tools": "tools",
    "benchmarks": "benchmarks",
}
"""Dotted names of the packages by the folder they stand in."""

MIRRORED = {
    "src/plena_cosim": PurePosixPath(),
    "golden": PurePosixPath("golden"),
    "sim": PurePosixPath("sim"),
    "tools": PurePosixPath("tools"),
}
"""Folders of sources, and where below tests/ their tests stand."""

REGRESSION = "tests/regression"
"""Run by `plena sim`; here only in parts, see blocks.py."""

RECIPE_TESTS = (
    "tests/passes/recipe/test_load.py",
    "tests/passes/recipe/test_json_schema.py",
    "tests/passes/recipe/test_recipe_fuzz.py",
    "tests/evaluate/test_recipe_text.py",
    "tests/passes/saving/test_save_models.py",
)

READERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("golden/*.py", ("tests/test_layout.py", "tests/golden/test_doctests.py")),
    ("src/plena_cosim/fakequant/*.py", ("tests/test_doctests.py",)),
    ("src/plena_cosim/sources/*.py", ("tests/test_doctests.py",)),
    ("src/plena_cosim/passes/*.py", ("tests/test_doctests.py",)),
    ("src/plena_cosim/evaluate/*.py", ("tests/test_doctests.py",)),
    ("src/plena_cosim/*/__init__.py", ("tests/docs/test_layers.py",)),
    ("golden/__init__.py", ("tests/docs/test_layers.py",)),
    ("sim/*__init__.py", ("tests/docs/test_layers.py",)),
    (
        "rtl/*.sv",
        (
            "tests/rtl/test_constants.py",
            "tests/rtl/test_fraction_width.py",
            "tests/rtl/test_synthesis.py",
            "tests/sim/generate/test_cores.py",
            "tests/sim/generate/test_rtl_docs.py",
            "tests/sim/test_mutant_table.py",
            "tests/test_layout.py",
        ),
    ),
    ("rtl/*.vlt", ("tests/sim/verilate/test_model.py",)),
    ("rtl/*.core", ("tests/sim/generate/test_cores.py",)),
    ("rtl/fpga.json", ("tests/sim/synthesis/test_run.py",)),
    ("rtl/synth.json", ("tests/sim/synthesis/test_run.py",)),
    ("rtl/equivalent_mutants.toml", ("tests/sim/mutation/test_run.py",)),
    ("sim/player/player.cpp", ("tests/sim/player/test_player.py",)),
    ("configs/quant/ladder/*", ("tests/evaluate/ladder/test_manifest.py",)),
    ("configs/quant/*", RECIPE_TESTS),
    ("configs/hw/*", ("tests/golden/test_hardware.py", "tests/passes/recipe/test_load.py")),
    ("README.md", ("tests/test_readme.py",)),
    ("docs/ops.md", ("tests/test_readme.py",)),
    ("docs/recipe.md", ("tests/passes/recipe/test_json_schema.py",)),
    ("docs/rtl.md", ("tests/sim/generate/test_rtl_docs.py",)),
    ("docs/rtl-cost.md", ("tests/sim/synthesis/test_run.py",)),
    ("docs/architecture.md", ("tests/docs/test_layers.py",)),
    ("docs/*", ("tests/docs/test_site.py",)),
    ("*.md", ("tests/docs/test_site.py",)),
    ("mkdocs.yml", ("tests/docs/test_site.py",)),
    ("tools/site/*", ("tests/docs/test_site.py",)),
    ("LICENSE", ()),
    (".gitignore", ()),
    ("*/py.typed", ()),
)
"""Patterns of changed files (* also stands for slashes), and the tests that read such a file.

All patterns that fit count. A file that fits none, and is not Python of FOLDERS, needs everything:
the Makefile, pyproject.toml, constraints.txt.
"""


def readers(path: str) -> tuple[str, ...] | None:
    """Return the tests that read a changed file; None where no rule knows the file."""
    fitting = [tests for pattern, tests in READERS if fnmatch(path, pattern)]
    return tuple(dict.fromkeys(sum(fitting, ()))) if fitting else None


def mirror(path: str) -> str | None:
    """Return where the test of a source file stands, whether or not there is one."""
    pure = PurePosixPath(path)
    for folder, inner in MIRRORED.items():
        if pure.is_relative_to(folder):
            source = inner / pure.relative_to(folder)
            return f"tests/{source.with_name(f'test_{source.name}')}"
    return None
