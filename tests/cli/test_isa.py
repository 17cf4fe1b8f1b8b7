"""plena asm, disasm and isa."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from plena_cosim.cli.main import app
from plena_cosim.golden.isa import AssemblyError

RUN = CliRunner()
PROGRAM = "C_LOOP_START gp4, 8\nV_EXP_V gp2, gp1, 1\nC_LOOP_END gp4\nC_BREAK\n"


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.plena"
    path.write_text(PROGRAM)
    return path


@pytest.mark.parametrize(
    ("layout", "ending"), [("hex", ".hex"), ("readmemh", ".mem"), ("raw", ".bin")]
)
def test_there_and_back(program, layout, ending) -> None:
    made = RUN.invoke(app, ["asm", str(program), "--layout", layout])
    code = program.with_suffix(ending)
    assert made.output == f"{code}: 4 words\n"
    back = RUN.invoke(app, ["disasm", str(code)])
    assert back.output.split("\n")[1] == "  V_EXP_V gp2, gp1, 1"
    again = program.with_name("again.plena")
    RUN.invoke(app, ["disasm", str(code), "--out", str(again)])
    other = program.with_name("other.code")
    RUN.invoke(app, ["asm", str(again), "-o", str(other), "--layout", layout])
    assert other.read_bytes() == code.read_bytes()


def test_a_listing_and_the_public_encoding(program) -> None:
    made = RUN.invoke(app, ["asm", str(program), "--listing", "--upstream-compat"])
    assert "     1  00004493  V_EXP_V gp2, gp1, 1\n" in made.output
    code = str(program.with_suffix(".hex"))
    back = RUN.invoke(app, ["disasm", code, "--upstream-compat"])
    assert "  V_EXP_V gp2, gp1, 1\n" in back.output


def test_a_mistake_leaves_no_file(program) -> None:
    program.write_text("C_BREAK\nC_BRAKE\n")
    made = RUN.invoke(app, ["asm", str(program)])
    assert isinstance(made.exception, AssemblyError)
    assert str(made.exception).startswith(f"{program}:2:1: no instruction 'C_BRAKE'")
    assert not program.with_suffix(".hex").exists()


def test_a_warning_is_said(program) -> None:
    program.write_text("H_STORE_V gp1, gp2, a0, 1, 0, 3\n")
    made = RUN.invoke(app, ["asm", str(program)])
    assert f"warning: {program}:1:31: H_STORE_V has no such operand" in made.output


def test_the_table_of_a_revision() -> None:
    assert "S_SLLI_INT" in RUN.invoke(app, ["isa", "--revision", "plena-wide"]).output


def test_a_run_and_its_status(program) -> None:
    program.write_text("S_ADDI_INT gp1, gp0, 5\nC_BREAK\n")
    done = RUN.invoke(app, ["run", str(program), "--dump", "gp:1"])
    assert (done.exit_code, done.output) == (0, "2 instructions\ngp1  5\n")
    program.write_text("V_EXP_V gp1, gp1\n")
    ended = RUN.invoke(app, ["run", str(program)])
    assert ended.exit_code == 3
    assert ended.output.startswith("trap: word 1: ")


def test_findings_have_lines_and_a_status(program) -> None:
    program.write_text("; a\nV_EXP_V gp1, gp1\nC_BREAK\n")
    found = RUN.invoke(app, ["lint", str(program)])
    assert found.exit_code == 1
    assert found.output == (
        f"{program}:2: reads vector row 0, which nothing has written\n2 instructions, 1 findings\n"
    )
    RUN.invoke(app, ["asm", str(program)])
    found = RUN.invoke(app, ["lint", str(program.with_suffix(".hex"))])
    assert f"{program.with_suffix('.hex')}: word 0: reads vector row 0" in found.output
    program.write_text("S_ADDI_INT gp1, gp0, 1\nC_BREAK\n")
    assert RUN.invoke(app, ["lint", str(program)]).exit_code == 0


def test_a_built_program_is_checked_and_runs(tmp_path) -> None:
    sizes = ["--rows", "3", "--columns", "70"]
    done = RUN.invoke(app, ["build-program", "silu", *sizes, "--check"])
    assert done.exit_code == 0
    assert done.output.endswith("0 of 210 codes differ from golden's\n")
    assert "V_RECI_V" in RUN.invoke(app, ["build-program", "silu", *sizes]).output
    out = tmp_path / "built"
    done = RUN.invoke(app, ["build-program", "silu", *sizes, "--out", str(out)])
    assert sorted(path.name for path in out.iterdir()) == [
        "machine.toml",
        "manifest.json",
        "memory.bin",
        "program.hex",
        "program.plena",
    ]
    memory = ["--hbm", str(out / "memory.bin")]
    runs = [
        RUN.invoke(app, ["run", str(out / name), *memory, "--dump", "vector:0-3"])
        for name in ("program.plena", "program.hex")
    ]
    assert runs[0].output == runs[1].output
    assert runs[0].exit_code == 0


def test_a_debugger_reads_a_pipe(program) -> None:
    program.write_text("S_ADDI_INT gp1, gp0, 5 ; five\nC_BREAK\n")
    done = RUN.invoke(app, ["run", str(program), "--debug"], input="step\nprint gp:1\n")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "      0  S_ADDI_INT gp1, gp0, 5                S_ADDI_INT gp1, gp0, 5 ; five",
        "         gp1  5",
        "      1  C_BREAK                               C_BREAK",
        "gp1  5",
    ]


def test_latencies() -> None:
    done = RUN.invoke(app, ["latency", "--model", "llama-3.1-8b"])
    assert "plena-analytic  time to first token 377.260931 ms, all 444.755773" in done.output
    assert "roofline " in done.output
    assert max(map(len, done.output.splitlines())) <= 80
    done = RUN.invoke(app, ["latency", "--model", "llama-3.2-1b", "--json"])
    assert json.loads(done.output)["costs"][0]["tokens_per_s"] == 1741.7582178329915
    assert "llama-3.1-70b     70.554 billion" in RUN.invoke(app, ["latency", "--list"]).output


def test_attention_and_a_map(tmp_path) -> None:
    sizes = ["--rows", "3", "--columns", "64", "--block", "32", "--kv-heads", "1"]
    for words in (["attention"], ["attention", "--flash"], ["decoder_layer", "--outputs", "32"]):
        done = RUN.invoke(app, ["build-program", *words, *sizes, "--operand", "3", "--check"])
        assert done.output.rstrip().endswith("codes differ from golden's")
        assert done.exit_code == 0
    picture = tmp_path / "map.png"
    done = RUN.invoke(app, ["build-program", "attention", *sizes, "--map", str(picture)])
    assert done.output == f"{picture}: memories\n"
    assert picture.read_bytes().startswith(b"\x89PNG")
    done = RUN.invoke(app, ["build-program", "attention", *sizes, "--memory"])
    assert max(map(len, done.output.splitlines())) <= 80
    assert "tiles of matrix memory" in done.output.splitlines()[-1]
    assert "M_TMM" not in done.output


def test_where_the_time_goes(tmp_path) -> None:
    picture = tmp_path / "where.png"
    asked = ["latency", "--in", "64", "--out", "2", "--bandwidth", "100"]
    done = RUN.invoke(app, [*asked, "--plot", str(picture)])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert max(map(len, done.output.splitlines())) <= 80
    quick = json.loads(RUN.invoke(app, [*asked, "--macs", "1000000000", "--json"]).output)
    assert quick["costs"][1]["scarcest"]["mlp"] == ["HBM", "HBM"]
    assert list(quick["without"]) == ["plena-emulator"]
    assert "plena-emulator: programs need v_prefetch = v_writeback" in done.output


def test_a_small_model_by_all_models_of_cost(tmp_path) -> None:
    sizes = ["--model", "smollm2-135m", "--batch", "1", "--in", "64", "--out", "8"]
    done = RUN.invoke(app, ["latency", *sizes, "--machine", "plena.toml"])
    assert max(map(len, done.output.splitlines())) <= 80
    assert "plena-emulator  time to first token " in done.output
    file = tmp_path / "slow.toml"
    file.write_text("[timing]\nclock_ghz = 0.5\nhbm_gb_s = 256\n")
    found = []
    for machine in ("plena.toml", str(file)):
        done = RUN.invoke(app, ["latency", *sizes, "--machine", machine, "--json"])
        found.append(json.loads(done.output))
    assert (found[1]["clock_ghz"], found[1]["bandwidth_gb_s"]) == (0.5, 256)
    for quick, slow in zip(*(each["costs"] for each in found), strict=True):
        assert slow["first_token_ms"] == pytest.approx(2 * quick["first_token_ms"])
    asked = ["latency", *sizes, "--machine", str(file), "--json"]
    again = RUN.invoke(app, [*asked, "--clock", "1", "--bandwidth", "512"])
    assert json.loads(again.output)["costs"] == found[0]["costs"]


def test_cycles_of_a_program(program) -> None:
    program.write_text("C_LOOP_START gp1, 3\nM_TMM 0, gp0, gp0\nC_LOOP_END gp1\nC_BREAK\n")
    asked = ["latency", "--program", str(program), "--machine", "plena.toml"]
    done = RUN.invoke(app, asked)
    assert "all, in sequence    197 cycles" in done.output
    found = json.loads(RUN.invoke(app, [*asked, "--overhead", "6", "--json"]).output)
    assert (found["total"], found["counts"]["M_TMM"]) == (215, 3)
    assert found["units"] == {"control": 5, "matrix": 210, "hbm": 0}
    program.write_text("S_SLLI_INT gp29, gp16, 10\nC_BREAK\n")
    done = RUN.invoke(app, [*asked, "--revision", "plena-wide"])
    assert "all, in sequence    2 cycles" in done.output


def test_the_quick_and_the_golden_run_leave_the_same(program, tmp_path) -> None:
    program.write_text("S_ADDI_INT gp1, gp0, 5\nH_STORE_V gp0, gp1, a0, 0, 2\nC_BREAK\n")
    left = []
    for number, more in enumerate(([], ["--golden"])):
        out = tmp_path / f"{number}.bin"
        done = RUN.invoke(app, ["run", str(program), "--hbm-out", str(out), *more])
        assert done.output == "3 instructions\n"
        left.append(out.read_bytes())
    assert left[0] == left[1]
