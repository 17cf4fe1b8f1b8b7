"""PLENA's instruction set: its table, assembler and disassembler. See docs/isa.md."""

from .assembler import AssemblyError, Problem, Program, assemble, usage
from .disassembler import disassemble, listing
from .revision import Operation, Revision, get_revision, revisions
from .word import DecodeError, Instruction, decode, encode

__all__ = [
    "AssemblyError",
    "DecodeError",
    "Instruction",
    "Operation",
    "Problem",
    "Program",
    "Revision",
    "assemble",
    "decode",
    "disassemble",
    "encode",
    "get_revision",
    "listing",
    "revisions",
    "usage",
]
