"""The table of docs/tao.md has every field and value, and each row's test is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import yaml

from plena_cosim.interop.tao.section import Dtype, LayerTable, QuantizeTable, read_section

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tao.md").read_text(encoding="utf-8")
TESTS = {
    path.name: path.read_text(encoding="utf-8")
    for folder in ("interop/tao", "evaluate/experiment")
    for path in (ROOT / "tests" / folder).glob("test_*.py")
}


def rows() -> list[tuple[str, str, str, str]]:
    """Return field, values, meaning and test of each row; an empty field is that above it."""
    table = PAGE.partition("| field |")[2].partition("\n\n")[0].splitlines()[2:]
    found, field = [], ""
    for line in table:
        first, *rest = (cell.strip() for cell in line.strip("|").split("|"))
        field = first or field
        found.append((field.strip("`"), *rest))
    return found


def words(kind: Any) -> set[str]:
    """Return the values of a field that has a list of them."""
    inner = get_args(kind)
    texts = {each for each in inner if isinstance(each, str)}
    return texts.union(*(words(each) for each in inner if get_args(each)))


def test_every_field_and_value_has_a_row() -> None:
    told: dict[str, set[str]] = {}
    for field, values, *_ in rows():
        told.setdefault(field, set()).update(re.findall(r"`(\w+)`", values))
    wanted = {name: words(field.annotation) for name, field in QuantizeTable.model_fields.items()}
    wanted["layers.module_name"] = set()
    for name in set(LayerTable.model_fields) - {"module_name"}:
        wanted[f"layers.{name}.dtype"] = words(Dtype)
    assert told == wanted
    assert sum(map(len, told.values())) == 2 + 2 + 2 + 4 * 4


def test_every_row_names_a_test_that_is_there() -> None:
    for *_, test in rows():
        file, _, name = test.strip("`").partition("::")
        assert f"def {name}(" in TESTS[file], test


def test_the_example_of_the_page_is_one() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    section, notes = read_section(yaml.safe_load(example)["quantize"], "example")
    assert (len(section.layers), notes) == (2, ())
