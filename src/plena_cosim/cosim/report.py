"""The report of a run on blocks: a table of 80 columns, and a page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from plena_cosim.evaluate.results.report import Report, ReportTable

_HEADER = ("operation", "codes", "differ", "cycles", "MAC/cycle", "used", "µs")
_NOTE = (
    "cycles: as the player counted them, of one block each. µs: of a machine whose vector unit has "
    "a block a lane, one operation after another, without memory. used: products that count, of "
    "those that the matrix unit could have made."
)


def show(record: dict[str, Any], console: Console) -> None:
    """Print a run in 80 columns: one row an operation, then the verdict.

    Args:
        record: of the run.
        console: where it goes.
    """
    table = Table(caption=_NOTE)
    for index, name in enumerate(_HEADER):
        # A number that is folded would be read as another one.
        table.add_column(
            name, justify="right" if index else "left", overflow="fold", no_wrap=bool(index)
        )
    for row in grouped(record, operation_of):
        table.add_row(*map(Text, row))
    console.print(table)
    for line in lines(record):
        console.print(Text(line), soft_wrap=True)


def operation_of(row: dict[str, Any]) -> str:
    """Return what a row is called where layers are added up."""
    return operation_name(row["part"], row["op"])


def operation_name(part: str, op: str) -> str:
    """Return what an operation is called.

    Args:
        part: what it is a part of; "" of nothing.
        op: its name.
    """
    return op if part in ("", op) else f"{part}: {op}"


def grouped(
    record: dict[str, Any], name_of: Callable[[dict[str, Any]], str]
) -> list[tuple[str, ...]]:
    """Return rows of a table: figures added up by name.

    Args:
        record: of the run.
        name_of: gives the name of a row.
    """
    sums: dict[str, dict[str, int]] = {}
    for row in record["rows"]:
        found = sums.setdefault(name_of(row), dict.fromkeys(_SUMMED, 0))
        for key in _SUMMED:
            found[key] += row[key]
    table = [(name, *_figures(each, record["clock_mhz"])) for name, each in sums.items()]
    whole = {key: sum(each[key] for each in sums.values()) for key in _SUMMED}
    return [*table, ("all", *_figures(whole, record["clock_mhz"]))]


_SUMMED = (
    "codes",
    "mismatches",
    "cycles",
    "machine_cycles",
    "matrix_cycles",
    "matrix_macs",
    "peak",
)


def _figures(row: dict[str, int], clock_mhz: float) -> tuple[str, ...]:
    rate = used = "-"
    if row["matrix_cycles"]:
        rate = f"{row['matrix_macs'] / row['matrix_cycles']:.1f}"
    if row["peak"]:
        used = f"{100 * row['matrix_macs'] / row['peak']:.0f} %"
    return (
        f"{row['codes']:,}",
        f"{row['mismatches']:,}",
        f"{row['cycles']:,}",
        rate,
        used,
        f"{row['machine_cycles'] / clock_mhz:,.1f}",
    )


def lines(record: dict[str, Any]) -> Iterable[str]:
    """Yield the verdict, and what was not in blocks."""
    known = sum(row["known"] for row in record["rows"])
    calls = sum(row["calls"] for row in record["rows"])
    if record["difference"]:
        yield f"NOT equal: {record['difference']}"
    elif record["window"]:
        yield (
            f"perplexity of {record['window']} tokens: {record['perplexity']!r} in RTL, "
            f"{record['perplexity_torch']!r} by exact torch: equal"
        )
    else:
        yield (
            f"{record['logits']:,} logits equal to those of exact torch ({record['dtype']}) in "
            "every bit"
        )
    yield (
        f"{calls:,} operations in {record['seconds']:.1f} s on {record['jobs']} threads, {known:,} "
        "of them compared before"
    )
    if record["in_torch"]:
        names = sorted({operation_of(row) for row in record["in_torch"]})
        yield f"by exact torch: {', '.join(names)}"
    if record["sums"] != "in blocks":
        yield f"residual sums and gate · up: {record['sums']}"
    yield f"left in float: {record['left_in_float']}"


def page(record: dict[str, Any]) -> str:
    """Return the report as one HTML document.

    Args:
        record: of the run.
    """
    machine = record["machine"]
    verdict = "differs" if record["difference"] else "equal in every bit"
    headline = [
        ("RTL and exact torch", verdict),
        ("codes compared", f"{sum(row['codes'] for row in record['rows']):,}"),
        ("cycles", f"{sum(row['cycles'] for row in record['rows']):,}"),
    ]
    if record.get("perplexity") is not None:
        headline.append(("perplexity", repr(record["perplexity"])))
    facts = [
        ("model", f"{record['model']}, {record['dtype']}"),
        ("recipe", str(record["quant_config"])),
        ("machine", ", ".join(f"{key} {machine[key]}" for key in ("mlen", "blen", "vlen"))),
        ("in RTL", ", ".join(record["ops"]) + f"; layers {record['layers']}"),
        ("tokens", f"{record['tokens']} and {record['decode']} steps of decoding"),
        ("residual sums, gate · up", record["sums"]),
        ("left in float", record["left_in_float"]),
        ("clock", f"{record['clock_mhz']:g} MHz"),
        ("RTL", record["rtl"]),
    ]
    numbers = tuple(range(1, len(_HEADER)))
    parts = [
        ReportTable(
            caption="Operations",
            header=_HEADER,
            rows=grouped(record, operation_of),
            numbers=numbers,
            note=_NOTE,
        ),
        ReportTable(
            caption="Modules",
            header=("module", *_HEADER[1:]),
            rows=grouped(record, lambda row: f"{row['module']} {operation_of(row)}"),
            numbers=numbers,
        ),
        ReportTable(
            caption="Blocks",
            header=("block", "build", "beats", "cycles"),
            rows=[
                (
                    label,
                    record["builds"].get(label, "known from before"),
                    f"{work['beats']:,}",
                    f"{work['cycles']:,}",
                )
                for label, work in record["blocks"].items()
            ],
            numbers=(2, 3),
        ),
    ]
    if record["in_torch"]:
        parts.append(
            ReportTable(
                caption="By exact torch",
                header=("module", "operation", "calls"),
                rows=[
                    (row["module"], operation_of(row), str(row["calls"]))
                    for row in record["in_torch"]
                ],
                numbers=(2,),
            )
        )
    return Report(
        title="A model on the hardware",
        headline=headline,
        warnings=[record["difference"]] if record["difference"] else [],
        facts=facts,
        parts=parts,
        environment=record["run"],
    ).html()
