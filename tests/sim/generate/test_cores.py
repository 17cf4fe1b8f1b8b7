"""FuseSoC core files: fresh, valid YAML, files in an order a compiler can read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from plena_cosim.cli import main as cli
from plena_cosim.sim.generate.cores import core_texts, stale_cores, write_cores
from plena_cosim.sim.verilate.rtl_files import RTL_DIR, RtlNotFoundError, needed_sources

FOLDERS = sorted({path.parent.name for path in RTL_DIR.glob("*/plena*")})
VERSION = "0.1.0"


def core(folder: str) -> dict[str, Any]:
    """Return a core file's content; `CAPI=2:` is a key without a value."""
    text = (RTL_DIR / folder / f"plena_{folder}.core").read_text(encoding="utf-8")
    assert text.startswith("CAPI=2:\n")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def files_of(folder: str) -> list[str]:
    """Return the RTL files that the core of `folder` brings, those of other cores first."""
    own = core(folder)["filesets"].get("rtl", {})
    names = []
    for needed in own.get("depend", []):
        names += files_of(needed.split(":")[2])
    return list(dict.fromkeys(names + own.get("files", [])))


def test_every_folder_has_a_fresh_core() -> None:
    stale = [str(path.relative_to(RTL_DIR)) for path in stale_cores()]
    assert not stale, f"run `plena cores`: {stale}"
    assert {path.parent.name for path in core_texts()} == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_core_lists_every_file_after_what_it_needs(folder: str) -> None:
    loaded = core(folder)
    assert loaded["name"] == f"plena:rtl:{folder}:{VERSION}"
    listed = loaded["filesets"].get("rtl", {}).get("files", [])
    assert sorted(listed) == sorted(path.name for path in (RTL_DIR / folder).glob("*.sv"))
    order = files_of(folder)
    for name in listed:
        for needed in needed_sources(Path(name).stem):
            assert order.index(needed.name) <= order.index(name), f"{needed.name} after {name}"


def test_package_comes_first_and_waivers_only_with_lint() -> None:
    assert core("common")["filesets"]["rtl"]["files"][0] == "plena_pkg.sv"
    fp = core("fp")
    needed = [f"plena:rtl:{folder}:{VERSION}" for folder in ("common", "gen")]
    assert fp["filesets"]["rtl"]["depend"] == needed
    assert fp["targets"]["default"]["filesets"] == ["rtl"]
    assert fp["targets"]["lint"]["filesets"] == ["waivers", "rtl"]
    assert core("lint")["filesets"]["waivers"] == {"files": ["plena.vlt"], "file_type": "vlt"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_integers_of_the_toplevels_are_parameters(folder: str) -> None:
    loaded = core(folder)
    targets = loaded["targets"].values()
    used = [name for target in targets for name in target.get("parameters", [])]
    assert set(loaded.get("parameters", {})) == set(used)
    for target in targets:
        taken = target.get("parameters", [])
        if "toplevel" in target:
            source = (RTL_DIR / folder / f"{target['toplevel']}.sv").read_text(encoding="utf-8")
            assert all(f" {name} " in source for name in taken)
            assert "Mx" not in "".join(taken)


def test_a_format_is_a_parameter_that_says_what_it_is() -> None:
    fp = core("fp")
    assert fp["targets"]["lint_plena_fp_mul"]["parameters"] == [
        *("Fmt", "Rounding", "Saturate", "Stages"),
    ]
    words = "a scalar format as one number, see rtl/README.md"
    assert fp["parameters"]["Fmt"] == {
        "datatype": "int",
        "paramtype": "vlogparam",
        "description": words,
    }


def test_a_new_file_makes_a_core_stale(tmp_path: Path) -> None:
    rtl = tmp_path / "rtl"
    shutil.copytree(RTL_DIR, rtl)
    (rtl / "fp" / "plena_new.sv").write_text("module plena_new; endmodule\n", encoding="utf-8")
    (rtl / "gone").mkdir()
    (rtl / "gone" / "plena_gone.core").write_text("CAPI=2:\n", encoding="utf-8")
    stale = [rtl / "fp" / "plena_fp.core", rtl / "gone" / "plena_gone.core"]
    assert stale_cores(rtl) == stale
    assert write_cores(rtl) == stale
    assert "      - plena_new.sv\n" in stale[0].read_text(encoding="utf-8")
    assert not stale[1].exists()
    assert stale_cores(rtl) == []


def test_folders_that_need_each_other_are_refused(tmp_path: Path) -> None:
    for folder, module, part in (("a", "plena_x", "plena_y"), ("b", "plena_y", "plena_z")):
        (tmp_path / folder).mkdir()
        text = f"module {module}; {part} u_part (); endmodule\n"
        (tmp_path / folder / f"{module}.sv").write_text(text, encoding="utf-8")
    (tmp_path / "a" / "plena_z.sv").write_text("module plena_z; endmodule\n", encoding="utf-8")
    with pytest.raises(RtlNotFoundError, match="need each other"):
        core_texts(tmp_path)


def test_command_says_that_all_is_fresh() -> None:
    result = CliRunner().invoke(cli.app, ["cores", "--check"])
    assert (result.exit_code, result.output) == (0, "all core files are fresh\n")
