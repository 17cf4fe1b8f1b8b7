"""A block between registers as a netlist for the ECP5; a process of its own, as Yosys is no guest.

`python -m plena_cosim.sim.fpga.netlist READ BLOCK`, in a scratch folder, writes `netlist.json`, and
`harness.json` with what the registers around the block take.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HARNESS = "plena_fpga_harness"
FLOW = (
    "setattr -mod -set keep_hierarchy 1 {block}",
    "read_verilog harness.v",
    f"synth_ecp5 -top {HARNESS}",
    f"tee -q -o harness.stat stat {HARNESS}",
    "setattr -mod -unset keep_hierarchy {block}",
    "flatten",
    "opt_clean",
    "write_json netlist.json",
)
"""After read_slang. Nothing is optimised across the block's border, so its cells are its own."""

_CELLS = re.compile(r"^\s+(\d+)\s+(?:-\s+)?(LUT4|TRELLIS_FF)\s*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port of a block, as Yosys has it."""

    name: str
    width: int
    is_input: bool


def harness(block: str, ports: Sequence[Port]) -> str:
    """Return Verilog that puts a block between registers, with four pins in all.

    A shift register feeds the inputs. The outputs are caught in registers, and a second shift
    register collects those: one XOR a bit, which nothing of the block waits for.

    Args:
        block: the module.
        ports: its ports; clk_i and rst_ni come from pins.

    >>> print(harness("m", [Port(name="clk_i", width=1, is_input=True),
    ...                     Port(name="a_i", width=2, is_input=True),
    ...                     Port(name="y_o", width=3, is_input=False)]))
    module plena_fpga_harness(input clk, input rst_n, input serial_i, output serial_o);
      reg [1:0] in_q;
      reg [2:0] out_q, shift_q;
      wire [2:0] out;
      always @(posedge clk) begin
        in_q <= {in_q, serial_i};
        out_q <= out;
        shift_q <= {shift_q, 1'b0} ^ out_q;
      end
      assign serial_o = shift_q[2];
      m u_block (
        .\\clk_i (clk),
        .\\a_i (in_q[0+:2]),
        .\\y_o (out[0+:3])
      );
    endmodule
    <BLANKLINE>
    """
    pins = {"clk_i": "clk", "rst_ni": "rst_n"}
    connections, inputs, outputs = [], 0, 0
    for port in ports:
        if port.name in pins:
            signal = pins[port.name]
        elif port.is_input:
            signal = f"in_q[{inputs}+:{port.width}]"
            inputs += port.width
        else:
            signal = f"out[{outputs}+:{port.width}]"
            outputs += port.width
        connections.append(f"    .\\{port.name} ({signal})")
    return "\n".join(
        [
            f"module {HARNESS}(input clk, input rst_n, input serial_i, output serial_o);",
            f"  reg [{inputs - 1}:0] in_q;",
            f"  reg [{outputs - 1}:0] out_q, shift_q;",
            f"  wire [{outputs - 1}:0] out;",
            "  always @(posedge clk) begin",
            "    in_q <= {in_q, serial_i};",
            "    out_q <= out;",
            "    shift_q <= {shift_q, 1'b0} ^ out_q;",
            "  end",
            f"  assign serial_o = shift_q[{outputs - 1}];",
            f"  {block} u_block (",
            ",\n".join(connections),
            "  );",
            "endmodule\n",
        ]
    )


def parse_harness(statistics: str) -> dict[str, int]:
    """Return LUTs and flip-flops of the harness itself from what `stat` wrote about its module.

    >>> parse_harness("       15   LUT4\\n       67   TRELLIS_FF\\n        1 submodules\\n")
    {'lut': 15, 'ff': 67}
    """
    counts = {cell: int(count) for count, cell in _CELLS.findall(statistics)}
    return {"lut": counts.get("LUT4", 0), "ff": counts.get("TRELLIS_FF", 0)}


def main(read: str, block: str) -> None:
    """Write netlist.json and harness.json into the current folder.

    Args:
        read: the command that reads the block.
        block: its module.
    """
    from pyosys import libyosys as ys

    design = ys.Design()
    ys.run_pass(read, design)
    (top,) = design.modules_.values()
    wires = sorted((wire for wire in top.wires_.values() if wire.port_id), key=lambda w: w.port_id)
    ports = [
        Port(name=wire.name.str().removeprefix("\\"), width=wire.width, is_input=wire.port_input)
        for wire in wires
    ]
    Path("harness.v").write_text(harness(block, ports), encoding="utf-8")
    for command in FLOW:
        ys.run_pass(command.format(block=block), design)
    statistics = Path("harness.stat").read_text(encoding="utf-8")
    Path("harness.json").write_text(json.dumps(parse_harness(statistics)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
