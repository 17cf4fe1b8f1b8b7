"""The steps of a ladder, with and without ladder.toml, and what ladder.toml may not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.evaluate.ladder.manifest import choose, comparable, read_ladder
from plena_cosim.golden import FormatError
from plena_cosim.passes import load_quant_config

OURS = Path(__file__).parents[3] / "configs" / "quant" / "ladder"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.toml", "a.toml", "c.toml"):
        (tmp_path / name).write_text("never read here")
    return tmp_path


def manifest(folder: Path, text: str) -> Path:
    (folder / "ladder.toml").write_text(text)
    return folder


def listed(*names: str) -> str:
    return "".join(f'[[step]]\nrecipe = "{name}.toml"\n' for name in names)


def test_without_a_manifest_names_order_the_steps(folder: Path) -> None:
    steps = read_ladder(folder)
    assert [(step.name, step.after) for step in steps] == [
        ("fp32", None), ("a", "fp32"), ("b", "a"), ("c", "b"),
    ]  # fmt: skip
    assert [step.title for step in steps] == ["fp32", "a", "b", "c"]
    assert all(step.numerics == ("fake",) for step in steps)


def test_a_manifest_orders_and_names_them(folder: Path) -> None:
    text = (
        "reference_fp32 = 21.66\n"
        + listed("c")
        + '[[step]]\nrecipe = "a.toml"\ntitle = "A"\nnumerics = ["fake", "exact"]\n'
        + 'reference = 33.96\nafter = "fp32"\n'
        + listed("b")
    )
    fp32, c, a, b = read_ladder(manifest(folder, text))
    assert (fp32.reference, fp32.recipe) == (21.66, None)
    assert (c.name, c.after, c.reference) == ("c", "fp32", None)
    assert (a.title, a.numerics, a.after, a.reference) == ("A", ("fake", "exact"), "fp32", 33.96)
    assert a.recipe == folder / "a.toml"
    assert b.after == "a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a =", r"ladder\.toml is not valid TOML"),
        ("", "key 'step' is missing"),
        ("step = []", "step must be"),
        ("step = [1]", r"\[\[step\]\] 1: must be a table, got 1"),
        (f"referense_fp32 = 2.0\n{listed('a', 'b', 'c')}", "Did you mean 'reference_fp32'"),
        (f"{listed('a', 'b', 'c')}refference = 2.0", r"\[\[step\]\] 3: .*Did you mean 'reference'"),
        ('[[step]]\ntitle = "a"', r"\[\[step\]\] 1: key 'recipe' is missing"),
        (f"{listed('a', 'b', 'c')}numerics = []", r"numerics must be"),
        (f"{listed('a', 'b', 'c')}numerics = ['exakt']", r"Did you mean 'exact'|'fake' or 'exact'"),
        (f"{listed('a', 'b', 'c')}numerics = ['fake', 'fake']", "names one kind twice"),
        (f"{listed('a', 'b', 'c')}reference = 0", "reference must be"),
        (f"{listed('a', 'b', 'c')}reference = '34'", "reference must be"),
        (listed("a", "b", "cc"), r"no recipe 'cc\.toml'.*there are a\.toml, b\.toml, c\.toml"),
        (listed("../a", "b", "c"), r"no recipe '\.\./a\.toml'"),
        (listed("ladder"), r"no recipe 'ladder\.toml'"),
        (listed("a", "b", "a"), r"\[\[step\]\] 3: a\.toml is a step already"),
        (listed("a", "b"), r"no \[\[step\]\] for c\.toml; add one"),
        (f"{listed('a')}after = 'b'\n{listed('b', 'c')}", "'b' is no earlier step; those are fp32"),
        (f"{listed('a')}after = 'a.toml'\n{listed('b', 'c')}", "'a.toml' is no earlier step"),
    ],
)
def test_a_wrong_manifest_is_one_clear_error(folder: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message) as error:
        read_ladder(manifest(folder, text))
    assert "ladder.toml" in str(error.value)


def test_a_folder_without_recipes_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent", manifest(tmp_path, listed("a"))):
        with pytest.raises(FormatError, match=r"no recipe \(\*\.toml\) in"):
            read_ladder(folder)
    (tmp_path / "fp32.toml").write_text("")
    with pytest.raises(FormatError, match="no recipe 'a"):
        read_ladder(tmp_path)
    (tmp_path / "ladder.toml").unlink()
    with pytest.raises(FormatError, match="cannot be called fp32"):
        read_ladder(tmp_path)


def test_steps_are_chosen_by_name(folder: Path) -> None:
    steps = read_ladder(folder)
    assert [step.name for step in choose(steps, only=[], exact=[])] == ["fp32", "a", "b", "c"]
    chosen = choose(steps, only=["c", "a.toml"], exact=["c"])
    assert [(step.name, step.numerics) for step in chosen] == [
        ("fp32", ("fake",)), ("a", ("fake",)), ("c", ("fake", "exact")),
    ]  # fmt: skip
    (again,) = choose(chosen[2:], only=[], exact=["c"])
    assert again.numerics == ("fake", "exact")


def test_our_own_ladder_can_be_read() -> None:
    steps = read_ladder(OURS)
    assert [step.name[:2] for step in steps[1:]] == sorted(step.name[:2] for step in steps[1:])
    assert [(step.name, step.reference) for step in steps if step.reference] == [
        ("fp32", 22.68), ("10_w8a8kv8", 22.85), ("20_w4a16", 37.05), ("21_w4a16_gptq", 29.10),
        ("30_a", 125.4), ("40_b", 91.75), ("50_c", 44.75),
    ]  # fmt: skip
    for step in steps[1:]:
        recipe = load_quant_config(step.recipe)
        table = recipe.gptq
        assert any(selector.gptq for selector in recipe.selectors) == (table is not None)
        if table is not None:
            assert table.checkpoint_dir == f"results/ladder/checkpoints/{step.name}"
            assert (table.quantile_search, table.clip_search_y) == (True, True)
            samples = {"22_w4a16_rotated": 64, "40_b": 12}.get(step.name, 32)
            assert (table.nsamples, table.seqlen, table.dataset) == (samples, 512, "demo")
        if recipe.distill is not None:
            folder = f"results/ladder/checkpoints/{step.name}"
            assert recipe.distill.checkpoint_dir == folder
        search = recipe.rotation_search
        if search is not None:
            assert search.cache_path == f"results/ladder/rotation/{step.name}.json"
            assert (search.calib_nsamples, search.calib_data) == (4, "demo")


REFERENCE = '[reference]\nmodel = "demo"\ntext = "demo"\nlimit = 12288\nseqlen = 512\n'
RUN = {"model": "demo", "text": "demo", "limit": 12288, "seqlen": 512}


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({}, 33.96),
        ({"model": "/models/other"}, None),
        ({"text": "notes.txt"}, None),
        ({"limit": 1024}, None),
        ({"limit": None}, None),
        ({"seqlen": 256}, None),
    ],
    ids=str,
)
def test_a_reference_is_of_the_same_tokens_or_not_shown(
    folder: Path, changed: dict[str, object], shown: float | None
) -> None:
    text = f"reference_fp32 = 21.66\n{REFERENCE}{listed('a', 'b', 'c')}reference = 33.96\n"
    steps = read_ladder(manifest(folder, text))
    found = comparable(steps, folder, **{**RUN, **changed})  # type: ignore[arg-type]
    assert [step.reference for step in found] == [shown and 21.66, None, None, shown]
    bare = read_ladder(manifest(folder, text.replace(REFERENCE, "")))
    assert [step.reference for step in comparable(bare, folder, **RUN)] == [None] * 4


def test_our_own_references_say_what_they_are_of() -> None:
    steps = read_ladder(OURS)
    assert comparable(steps, OURS, **RUN) == steps
    assert any(step.reference for step in steps)
