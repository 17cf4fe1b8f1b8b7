"""Runs beside each other: figures, paired standard errors, and what cannot be compared."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tests.evaluate.recipes import LINEAR

from plena_cosim.evaluate import run_eval_ppl
from plena_cosim.evaluate.report_runs import run_compare, run_index
from plena_cosim.evaluate.results.measures import difference, measures_of
from plena_cosim.golden import FormatError
from plena_cosim.sources import TextSourceError


def console() -> Console:
    return Console(file=io.StringIO(), width=80)


@pytest.fixture(scope="module")
def runs(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unquantised run, one of four bits, and one over other windows."""
    folder = tmp_path_factory.mktemp("runs")
    words = folder / "words.txt"
    words.write_text(" ".join(f"w{(i * i + 3 * i) % 60}" for i in range(300)))
    recipe = folder / "linear.toml"
    recipe.write_text(LINEAR)
    shared: dict[str, Any] = {"model": str(tiny_model), "text": str(words), "console": console()}
    run_eval_ppl(**shared, seqlen=16, out=folder / "results/float")
    run_eval_ppl(**shared, seqlen=16, quant_config=recipe, out=folder / "results/quantised")
    run_eval_ppl(**shared, seqlen=8, quant_config=recipe, out=folder / "results/short")
    return folder / "results"


def losses(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    return (
        np.array([row["negative_log_likelihood"] for row in rows]),
        np.array([row["tokens"] for row in rows]),
    )


def test_figures_and_errors(runs: Path, tmp_path: Path) -> None:
    screen = console()
    record = run_compare([runs / "quantised"], out=tmp_path / "out", console=screen)
    assert record["baseline"] == str(runs.absolute() / "float")
    [pair] = record["runs"][0]["differences"]
    (mine, count), (theirs, _) = losses(runs / "quantised"), losses(runs / "float")
    assert pair["value"] == pytest.approx(math.exp(mine.sum() / count.sum()), rel=1e-12)
    assert pair["ratio"] == pytest.approx(
        math.exp((mine.sum() - theirs.sum()) / count.sum()), rel=1e-12
    )
    # A jackknife over windows: another estimate of the same error.
    changes = [
        (np.delete(mine, i).sum() - np.delete(theirs, i).sum()) / np.delete(count, i).sum()
        for i in range(len(mine))
    ]
    spread = math.sqrt((len(mine) - 1) * np.var(changes))
    assert pair["error"] == pytest.approx(spread, rel=0.05)
    assert pair["better"] + pair["worse"] <= pair["count"] == len(mine)
    text = screen.file.getvalue()
    assert max(map(len, text.splitlines()[:6])) <= 80
    assert f"{pair['ratio'] - 1:+.2%}" in text
    assert "<svg" in (tmp_path / "out/report.html").read_text()


def test_a_named_baseline(runs: Path, tmp_path: Path) -> None:
    both = [runs / "float", runs / "quantised"]
    record = run_compare(both, baseline=both[1], out=tmp_path, console=console())
    assert record["runs"][0]["name"] == "unquantised"
    turned = run_compare(both, out=tmp_path, console=console())["runs"][0]["differences"][0]
    [pair] = record["runs"][0]["differences"]
    assert pair["change"] == pytest.approx(-turned["change"])
    assert (pair["better"], pair["worse"]) == (turned["worse"], turned["better"])


def test_what_cannot_be_compared(runs: Path, tmp_path: Path) -> None:
    def compare(*names: str, **options: Any) -> None:
        run_compare([runs / name for name in names], out=tmp_path, console=console(), **options)

    with pytest.raises(FormatError, match=r"not measured the same samples \(seqlen differ\)"):
        compare("quantised", "short")
    with pytest.raises(FormatError, match="no unquantised run over the samples"):
        compare("short")
    with pytest.raises(FormatError, match="nothing to compare"):
        compare("float")
    with pytest.raises(TextSourceError, match="is not the folder of a run"):
        compare("nowhere")
    run = json.loads((runs / "short/run.json").read_text())
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/run.json").write_text(json.dumps(run | {"state": "running"}))
    with pytest.raises(TextSourceError, match="has not come to its end"):
        run_compare([tmp_path / "broken"], out=tmp_path, console=console())
    assert not (tmp_path / "report.html").exists()


def test_scores() -> None:
    mine = {str(i): {"scores": {"task acc": float(i % 2)}} for i in range(10)}
    theirs = {str(i): {"scores": {"task acc": float(i % 3 == 0)}} for i in range(10)}
    [one], [other] = measures_of(mine), measures_of(theirs)
    found = difference(one, other)
    values = np.array([i % 2 for i in range(10)]) - np.array([i % 3 == 0 for i in range(10)])
    assert (found.value, found.baseline) == (0.5, 0.4)
    assert found.change == pytest.approx(values.mean())
    assert found.error == pytest.approx(values.std(ddof=1) / math.sqrt(10))
    assert (found.better, found.worse) == ((values > 0).sum(), (values < 0).sum())
    assert found.ratio_error is None
    del theirs["3"]
    with pytest.raises(FormatError, match="other samples"):
        difference(one, measures_of(theirs)[0])


def test_what_is_there(runs: Path, tmp_path: Path) -> None:
    rows = run_index(runs, html=tmp_path / "index.html", console=console())
    assert [row[0] for row in sorted(rows)] == ["float", "quantised", "short"]
    assert {row[1:3] for row in rows} == {("finished", "token perplexity")}
    assert 'href="quantised/report.html"' in (tmp_path / "index.html").read_text()
    with pytest.raises(TextSourceError, match="there is no run under"):
        run_index(tmp_path, console=console())
