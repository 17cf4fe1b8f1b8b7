"""plena ladder from recipes to rows: each step in its own process, and nothing measured twice."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plena_cosim.cli import main as cli
from plena_cosim.evaluate import evaluate_perplexity, load_model
from plena_cosim.evaluate.ladder import run as ladder
from plena_cosim.evaluate.ladder.child import StepError
from plena_cosim.evaluate.ladder.row import Measurement
from plena_cosim.evaluate.ladder.step import measure
from plena_cosim.golden import FormatError
from plena_cosim.passes import load_quant_config, quantize_module_transform_pass
from plena_cosim.sources import TextSourceError, tokenize

from .ladder_folder import MISSING, RECIPE, Ladder


@pytest.fixture
def steps(tmp_path: Path, tiny_model: Path, words: Path) -> Ladder:
    folder = tmp_path / "recipes"
    folder.mkdir()
    made = Ladder(model=tiny_model, folder=folder, text=words, out=tmp_path / "out")
    made.write("10_eight.toml", width=8)
    made.write("20_four.toml", width=4)
    return made


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that were measured, as `step numerics`, in order; nothing is run or drawn."""
    asked: list[str] = []

    def invent(request, *, log, show):
        step = Path(request["recipe"]).stem if request["recipe"] else "fp32"
        asked.append(f"{step} {request['numerics']}")
        return measurement(token_perplexity=10.0 + len(asked))

    monkeypatch.setattr(ladder, "measure_step", invent)
    monkeypatch.setattr(ladder, "draw_ladder", lambda *_, **__: None)
    return asked


def measurement(**changed) -> Measurement:
    fields = {
        "weights": "mxint4", "activations": None, "kv_cache": None, "modules": 1, "rotations": {},
        "bits_per_weight": 4.25, "token_perplexity": 20.0, "word_perplexity": None, "tokens": 64,
        "windows": 2, "window_losses": [90.0, 92.0], "calibration_seconds": 1.0, "went_on_from": [],
        "evaluation_seconds": 1.0, "peak_memory_bytes": 1000, "run": {},
    }  # fmt: skip
    return Measurement(**{**fields, **changed})


def test_steps_run_on_the_device_that_is_given(steps: Ladder, monkeypatch) -> None:
    asked: list[str | None] = []

    def invent(request, *, log, show):
        asked.append(request["device"])
        return measurement()

    monkeypatch.setattr(ladder, "measure_step", invent)
    monkeypatch.setattr(ladder, "draw_ladder", lambda *_, **__: None)
    steps.run()
    steps.run()
    assert asked == [None] * 3
    steps.run(device="cpu")  # which may give other figures, so that rows are not the same
    assert asked[3:] == ["cpu"] * 3


def test_a_step_replaces_the_recipe_s_device(steps: Ladder, tmp_path: Path) -> None:
    table = f"""
[rotation_search]
device = "cuda:99"
calib_nsamples = 1
calib_seqlen = 16
calib_data = "file:{steps.text}"
cache_path = "{tmp_path}/decisions.json"
matmul_types = ["o_proj"]
"""
    steps.write("30_search.toml", text=table + RECIPE.format(width=4))
    request = steps.options(recipe=steps.folder / "30_search.toml", numerics="fake", cache=None)
    with pytest.raises(FormatError, match="device 'cuda:99' cannot be used"):
        measure({**request, "device": None}, lambda _: None)
    assert measure({**request, "device": "cpu"}, lambda _: None)["modules"] == 14


def test_rows_are_what_the_parts_measure(steps: Ladder) -> None:
    complete, shown = steps.run(exact=["20_four"])
    assert complete
    rows = steps.rows()
    assert list(rows) == [
        ("fp32", "fake"), ("10_eight", "fake"), ("20_four", "fake"), ("20_four", "exact"),
    ]  # fmt: skip
    for (step, numerics), row in rows.items():
        model, tokenizer = load_model(str(steps.model))
        if step != "fp32":
            recipe = load_quant_config(steps.folder / f"{step}.toml")
            quantize_module_transform_pass(model, recipe, numerics=numerics)
        tokens = tokenize(tokenizer, steps.text.read_text(), limit=64)
        expected = evaluate_perplexity(model, tokens, seqlen=32, decode=tokenizer.decode)
        found = row["measured"]
        assert found["token_perplexity"] == expected.token_perplexity
        assert found["word_perplexity"] == expected.word_perplexity
        assert (found["tokens"], found["windows"]) == (64, 2)
        assert found["peak_memory_bytes"] > 50e6
        assert found["run"]["threads"] == 1
    assert rows[("20_four", "fake")]["measured"]["weights"] == "mxint4"
    assert rows[("20_four", "fake")]["measured"]["activations"] == "mxint4"
    assert rows[("20_four", "fake")]["measured"]["kv_cache"] is None
    assert rows[("20_four", "fake")]["measured"]["bits_per_weight"] == 4.5
    digest = hashlib.sha256((steps.folder / "20_four.toml").read_bytes()).hexdigest()
    assert rows[("20_four", "fake")]["key"]["recipe_sha256"] == digest
    record = steps.record()
    assert record["text_sha256"] == hashlib.sha256(steps.text.read_bytes()).hexdigest()
    assert record["caveat"] is None  # of the demo model only
    assert {"commit", "versions", "machine", "threads", "command"} <= set(record["run"])
    assert (steps.out / "ladder.png").read_bytes().startswith(b"\x89PNG")
    assert shown.index("fp32") < shown.index("10_eight.toml") < shown.index("20_four.toml")


def test_a_second_run_keeps_all(steps: Ladder, measured: list[str]) -> None:
    _, first = steps.run()
    before = steps.rows()
    complete, second = steps.run()
    assert complete
    assert measured == ["fp32 fake", "10_eight fake", "20_four fake"]
    assert steps.rows() == before
    assert (first.count("(kept)"), second.count("(kept)")) == (0, 3)


def test_only_what_has_changed_is_measured_again(
    steps: Ladder, measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = ["fp32 fake", "10_eight fake", "20_four fake"]

    def again(**changed) -> list[str]:
        measured.clear()
        steps.run(**changed)
        return list(measured)

    steps.run()
    steps.write("20_four.toml", width=3)
    assert again() == ["20_four fake"]
    assert again() == []
    # What is read, not its meaning: a comment is another recipe.
    recipe = steps.folder / "10_eight.toml"
    recipe.write_text(f"# eight bits\n{recipe.read_text()}")
    assert again() == ["10_eight fake"]
    steps.text.write_text(steps.text.read_text() + " w1")  # beyond the limit
    assert again() == everything
    assert again(limit=32) == everything
    assert again(limit=32, seqlen=16) == everything
    assert again(limit=32, seqlen=16, threads=2) == everything
    assert again(limit=32, seqlen=16, threads=2, exact=["20_four"]) == ["20_four exact"]
    options = {"limit": 32, "seqlen": 16, "threads": 2}
    assert again(**options) == []
    monkeypatch.setattr(ladder, "code_digest", lambda *_: "other code")
    assert again(**options) == everything
    model, tokenizer = load_model(str(steps.model))
    model.model.norm.weight.data[3] += 0.5
    model.save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    assert again(**options, model=str(tmp_path / "other")) == everything


def test_files_that_a_recipe_reads_count(
    steps: Ladder, measured: list[str], tmp_path: Path
) -> None:
    machine, text = tmp_path / "machine.toml", tmp_path / "calibration.txt"
    machine.write_text('[formats]\naccumulator = "e8m23"\n')
    text.write_text("w1 w2")
    recipe = f'[hardware]\nconfig = "{machine}"\n[rotation_search]\ncalib_data = "file:{text}"\n'
    recipe += (steps.folder / "20_four.toml").read_text()
    steps.write("20_four.toml", text=recipe)
    steps.run()
    measured.clear()
    machine.write_text('[formats]\naccumulator = "e8m22"\n')
    steps.run()
    assert measured == ["20_four fake"]
    text.write_text("w1 w3")
    steps.run()
    assert measured == ["20_four fake"] * 2
    text.unlink()
    complete, shown = steps.run()
    assert not complete
    assert "TextSourceError: cannot read calibration text" in shown
    assert measured == ["20_four fake"] * 2


def test_only_measures_some_steps_and_keeps_the_others(steps: Ladder, measured: list[str]) -> None:
    steps.run(only=["20_four.toml"])
    assert measured == ["fp32 fake", "20_four fake"]
    steps.run(only=["10_eight"], limit=32)
    assert list(steps.rows()) == [("fp32", "fake"), ("10_eight", "fake")]
    assert [row["step"] for row in steps.record()["earlier"]] == ["20_four"]
    measured.clear()
    steps.run(limit=32)
    assert measured == ["20_four fake"]  # it was read with the other limit
    assert steps.record()["earlier"] == []
    with pytest.raises(FormatError, match=r"--only 20_for: no such step.*Did you mean '20_four'"):
        steps.run(only=["20_for"])
    with pytest.raises(FormatError, match="--exact fp32: fp32 has no recipe"):
        steps.run(exact=["fp32"])


def test_a_failing_recipe_fails_its_row_alone(steps: Ladder) -> None:
    steps.write("15_none.toml", text=MISSING)  # only the model shows that nothing matches
    steps.write("16_typo.toml", text='[a]\nname = "mxint"\nweight_widht = 4\n')
    complete, shown = steps.run()
    assert not complete
    rows = steps.rows()
    assert [step for step, _ in rows] == ["fp32", "10_eight", "15_none", "16_typo", "20_four"]
    none, typo = rows[("15_none", "fake")], rows[("16_typo", "fake")]
    assert none["measured"] is None
    assert re.match(r"FormatError: .*15_none\.toml .*matches no module of the model", none["error"])
    assert "\n" not in none["error"]
    assert "Did you mean 'weight_width'?" in typo["error"]
    assert rows[("20_four", "fake")]["error"] is None
    assert rows[("20_four", "fake")]["change"] is None  # the step before has no figure
    assert none["error"] in shown
    assert "failed" in shown
    steps.write("15_none.toml")
    (steps.folder / "16_typo.toml").unlink()
    complete, shown = steps.run()
    assert complete
    assert shown.count("(kept)") == 3


def test_an_interrupt_leaves_what_was_measured(
    steps: Ladder, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    invent = ladder.measure_step

    def interrupted(request, *, log, show):
        if request["recipe"] and "20_four" in request["recipe"]:
            raise KeyboardInterrupt
        return invent(request, log=log, show=show)

    monkeypatch.setattr(ladder, "measure_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        steps.run()
    assert list(steps.rows()) == [("fp32", "fake"), ("10_eight", "fake")]
    monkeypatch.setattr(ladder, "measure_step", invent)
    measured.clear()
    complete, _ = steps.run()
    assert complete
    assert measured == ["20_four fake"]


def test_an_interrupted_command_ends_its_step_and_can_go_on(steps: Ladder) -> None:
    arguments = ["ladder", "--model", str(steps.model), "--recipes", str(steps.folder)]
    arguments += ["--text", str(steps.text), "--limit", "64", "--out", str(steps.out)]
    code = "from plena_cosim.cli.main import main; main()"
    log = steps.out / "logs" / "10_eight-fake.log"
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        while not log.exists() and command.poll() is None:
            time.sleep(0.05)
        started = time.monotonic()
        command.send_signal(signal.SIGINT)  # to the command alone: its child has to be stopped
        _, complaint = command.communicate(timeout=30)
    assert command.returncode == 130, complaint
    assert time.monotonic() - started < 8  # the step would take a few seconds by itself
    assert list(steps.rows()) == [("fp32", "fake")]
    assert not (steps.out / "ladder.png").exists()


def test_a_killed_process_fails_its_row(
    steps: Ladder, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(request, *, log, show):
        raise StepError("the step's process was ended by SIGKILL")

    invent = ladder.measure_step
    monkeypatch.setattr(ladder, "measure_step", killed)
    complete, shown = steps.run()
    assert not complete
    assert shown.count("ended by SIGKILL") == 3
    monkeypatch.setattr(ladder, "measure_step", invent)
    complete, _ = steps.run()  # failed rows are not kept
    assert complete
    assert len(measured) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[" * 100_000,
        lambda text: '{"what": "a shopping list"}',
        lambda text: text.replace('"plena ladder"', '"plena eval ppl"'),
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: re.sub(r'"token_perplexity": [\d.]+', '"token_perplexity": "good"', text),
    ],
    ids=["cut", "empty", "deep", "foreign", "other-command", "other-version", "wrong-type"],
)
def test_a_broken_record_is_set_aside(steps: Ladder, measured: list[str], damage) -> None:
    steps.run()
    path = steps.out / "ladder.json"
    broken = damage(path.read_text())
    assert broken != path.read_text()
    path.write_text(broken)
    measured.clear()
    complete, shown = steps.run()
    assert complete
    assert "set aside as ladder.aside-1.json" in shown
    assert (steps.out / "ladder.aside-1.json").read_text() == broken
    assert len(measured) == 3
    assert len(steps.rows()) == 3


def test_two_ladders_do_not_write_into_one_folder(steps: Ladder, measured: list[str]) -> None:
    from plena_cosim.evaluate.results.alone import alone

    with (
        alone(steps.out, command="plena ladder"),
        pytest.raises(TextSourceError, match="another plena ladder is writing"),
    ):
        steps.run()
    assert measured == []
    assert steps.run()[0]


def test_the_caveat_of_the_demo_model_is_everywhere(
    steps: Ladder, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    real = load_model
    monkeypatch.setattr(ladder, "load_model", lambda name, cache: real(str(steps.model)))
    monkeypatch.setattr(ladder, "draw_ladder", lambda *a, **given: drawn.append(given["caveat"]))
    _, shown = steps.run(model="demo")
    for caveat in (shown, steps.record()["caveat"], *drawn):
        assert "come from a 4-bit file" in " ".join(caveat.split())
    assert len(drawn) == 1


def test_rows_that_went_on_from_an_earlier_calibration_are_marked(
    steps: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measurement(went_on_from=["checkpoints/20_four"], calibration_seconds=12.5)
    monkeypatch.setattr(ladder, "measure_step", lambda request, log, show: found)
    _, shown = steps.run()
    assert "12.5*" in shown
    assert "an earlier run's checkpoints" in shown


def test_the_command_ends_with_1_if_a_row_failed(steps: Ladder, measured: list[str]) -> None:
    arguments = ["ladder", "--model", str(steps.model), "--recipes", str(steps.folder)]
    arguments += ["--text", str(steps.text), "--limit", "64", "--out", str(steps.out)]
    result = CliRunner().invoke(cli.app, [*arguments, "--exact", "10_eight", "--exact", "20_four"])
    assert result.exit_code == 0, result.output
    assert measured == [
        "fp32 fake", "10_eight fake", "10_eight exact", "20_four fake", "20_four exact",
    ]  # fmt: skip
    steps.write("30_typo.toml", text="a = 1")
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 1
    assert "FormatError" in result.output


def test_a_row_can_hold_an_infinite_perplexity(
    steps: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = measurement(token_perplexity=float("inf"))
    monkeypatch.setattr(ladder, "measure_step", lambda request, log, show: endless)
    assert steps.run()[0]
    complete, shown = steps.run()
    assert complete
    assert shown.count("(kept)") == 3
    json.loads((steps.out / "ladder.json").read_text(), parse_constant=pytest.fail)


def test_the_last_table_can_be_had_in_markdown(steps: Ladder, measured: list[str]) -> None:
    arguments = ["ladder", "--recipes", str(steps.folder), "--out", str(steps.out), "--markdown"]
    assert isinstance(CliRunner().invoke(cli.app, arguments).exception, TextSourceError)
    steps.run()
    result = CliRunner().invoke(cli.app, arguments)
    lines = result.output.splitlines()
    assert lines[0].startswith("| step | weights / activations / KV | numerics | token ppl |")
    assert lines[1].startswith("| --- | --- | --- | ---: |")
    assert [line.split(" | ")[3] for line in lines[2:]] == ["11.00", "12.00", "13.00"]
    assert lines[4].startswith("| 20_four<br>20_four.toml | mxint4 / – / – | fake | 13.00 |  | +8.")
    assert len({line.count("|") for line in lines}) == 1
    (steps.folder / "20_four.toml").unlink()
    result = CliRunner().invoke(cli.app, arguments)
    assert isinstance(result.exception, FormatError)
    (steps.out / "ladder.json").write_text("{}")
    with pytest.raises(TextSourceError, match="is not a record of plena ladder"):
        ladder.ladder_markdown(recipes=steps.folder, out=steps.out)
