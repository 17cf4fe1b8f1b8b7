"""What an instruction reads, for traces."""

from __future__ import annotations

from typing import Any

from .interpreter import Interpreter, Operands
from .revision import REGISTERS
from .word import Instruction

Read = tuple[str, int, Any]
"""Space, address, and of registers and words what is there; of rows, tiles and bytes how many."""

_INTO_GP = ("S_LD_INT", "S_LUI_INT", "C_LOOP_START", "C_LOOP_END")


def reads(m: Interpreter, instruction: Instruction) -> list[Read]:
    """Return what an instruction is about to read, in the order of its operands.

    Args:
        m: before it.
        instruction: that can be carried out.
    """
    operation, op = instruction.operation, Operands(instruction)
    name, state = operation.name, m.state
    found: list[Read] = []
    for operand, value in zip(operation.operands, instruction.values, strict=True):
        if operand.kind in REGISTERS and not (operand.place == "rd" and _writes_rd(name)):
            found.append((operand.kind, value, getattr(state, operand.kind)[value]))
    if "RED" in name:
        found.append(("f", op.rd, state.f[op.rd]))
    return found + _memories(m, name, op)


def _writes_rd(name: str) -> bool:
    """Return whether rd is a register that an instruction writes."""
    if name.startswith("S_"):
        return not name.startswith("S_ST_") and name != "S_MAP_V_FP"
    return name in _INTO_GP or "RED" in name or name == "C_SET_ADDR_REG"


def _memories(m: Interpreter, name: str, op: Operands) -> list[Read]:
    state, gp, hw = m.state, m.state.gp, m.machine.hardware
    found: list[Read] = []

    def rows(address: int, count: int = 1) -> None:
        found.append(("vector", address // hw.vlen, count))

    if name.startswith("V_"):
        rows(gp[op.rs1])
        if name.endswith("_VV"):
            rows(gp[op.rs2])
        if name != "V_SHFT_V" and op.rs3:
            found.append(("v_mask", 0, state.v_mask))
    elif name in ("S_LD_INT", "S_LD_FP"):
        space = "int" if name.endswith("INT") else "fp"
        memory, at = (state.ints, state.fps)[space == "fp"], gp[op.rs1] + op.imm
        found.append((space, at, int(memory[at]) if at < memory.size else None))
    elif name == "S_MAP_V_FP":
        found.append(("fp", gp[op.rs1] + op.imm, hw.vlen))
    elif name.startswith("H_"):
        found.append(("scale", 0, state.scale))
        if op.rs3 & 1:
            found.append(("stride", 0, state.stride))
        if name == "H_STORE_V":
            rows(gp[op.rd], m.machine.store_rows)
        else:
            count = m.machine.prefetch_rows if name == "H_PREFETCH_V" else hw.mlen
            found.append(("hbm", state.a[op.rs2] + gp[op.rs1], count))
    elif name.endswith("_WO"):
        found.append(("sums", int(name == "M_BMM_WO"), hw.blen))
    elif name.startswith("M_"):
        x, tile = (op.rs1, op.rs2) if "TMM" in name else (op.rs2, op.rs1)
        rows(gp[x], hw.blen)
        found.append(("tile", gp[tile] // hw.mlen**2, 1))
        found.append(("sums", int("_B" in name), hw.blen))
    elif name == "C_LOOP_END":
        found.append(("loops", 0, len(state.loops)))
    return found
