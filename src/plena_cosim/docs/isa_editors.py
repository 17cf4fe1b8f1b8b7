"""Syntax files of editors for PLENA assembly, written from the table of instructions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..golden.isa import get_revision, revisions

FOLDER = Path(__file__).resolve().parents[3] / "tools" / "editors"

_UNITS = {
    "matrix": ("keyword.operator.matrix.plena", "Function"),
    "vector": ("keyword.operator.vector.plena", "Type"),
    "scalar": ("keyword.operator.scalar.plena", "Statement"),
    "hbm": ("keyword.operator.memory.plena", "Special"),
    "control": ("keyword.control.plena", "Keyword"),
}
"""Of each unit: the scope in VS Code, and the highlight group in Vim."""


def names() -> dict[str, list[str]]:
    """Return the mnemonics of all revisions by unit."""
    found: dict[str, list[str]] = {unit: [] for unit in _UNITS}
    for revision in revisions():
        for name, row in get_revision(revision).operations.items():
            if name not in found[row.unit]:
                found[row.unit].append(name)
    return found


def grammar() -> dict[str, Any]:
    """Return the TextMate grammar that VS Code reads."""
    patterns = [
        {"name": "comment.line.plena", "match": "(;|//).*$"},
        {"name": "keyword.directive.plena", "match": r"(?i)\.equ\b"},
        {"name": "entity.name.label.plena", "match": r"^\s*[A-Za-z_.$][\w.$]*\s*:"},
        *(
            {"name": scope, "match": rf"(?i)\b({'|'.join(names()[unit])})\b"}
            for unit, (scope, _) in _UNITS.items()
        ),
        {"name": "variable.language.register.plena", "match": r"(?i)\b(gp|f|a)\d+\b"},
        {"name": "constant.numeric.plena", "match": r"(?i)\b(0x[0-9a-f_]+|0b[01_]+|\d+)\b"},
    ]
    return {"name": "PLENA assembly", "scopeName": "source.plena", "patterns": patterns}


def extension() -> dict[str, Any]:
    """Return the manifest of the extension of VS Code."""
    return {
        "name": "plena-assembly",
        "displayName": "PLENA assembly",
        "description": "Colours for programs of PLENA",
        "version": "0.1.0",
        "publisher": "plena-cosim",
        "license": "Apache-2.0",
        "engines": {"vscode": "^1.60.0"},
        "contributes": {
            "languages": [
                {
                    "id": "plena",
                    "aliases": ["PLENA assembly"],
                    "extensions": [".plena"],
                    "configuration": "./language-configuration.json",
                }
            ],
            "grammars": [
                {
                    "language": "plena",
                    "scopeName": "source.plena",
                    "path": "./syntaxes/plena.tmLanguage.json",
                }
            ],
        },
    }


def vim() -> str:
    """Return Vim's syntax file."""
    lines = [
        '" Colours for PLENA assembly. Made by `plena isa --write`: do not edit.',
        'if exists("b:current_syntax")',
        "  finish",
        "endif",
        "syntax case ignore",
    ]
    lines += [
        f"syntax keyword plena{unit.capitalize()} {' '.join(found)}"
        for unit, found in names().items()
    ]
    lines += [
        r"syntax match plenaRegister /\<\(gp\|f\|a\)\d\+\>/",
        r"syntax match plenaNumber /\<\(0x[0-9a-f_]\+\|0b[01_]\+\|\d\+\)\>/",
        r"syntax match plenaDirective /\.equ\>/",
        r"syntax match plenaLabel /^\s*[A-Za-z_.$][A-Za-z0-9_.$]*\s*:/",
        r"syntax match plenaComment /\(;\|\/\/\).*$/",
    ]
    groups = {f"plena{unit.capitalize()}": group for unit, (_, group) in _UNITS.items()}
    groups |= {
        "plenaRegister": "Identifier",
        "plenaNumber": "Number",
        "plenaDirective": "PreProc",
        "plenaLabel": "Label",
        "plenaComment": "Comment",
    }
    lines += [f"highlight default link {name} {group}" for name, group in groups.items()]
    lines.append('let b:current_syntax = "plena"')
    return "\n".join(lines) + "\n"


def files() -> dict[Path, str]:
    """Return every file and what belongs in it."""
    code = FOLDER / "vscode"
    marks = {"comments": {"lineComment": ";"}, "brackets": [["(", ")"]]}
    made = {
        code / "package.json": extension(),
        code / "language-configuration.json": marks,
        code / "syntaxes" / "plena.tmLanguage.json": grammar(),
    }
    texts = {path: json.dumps(content, indent=2) + "\n" for path, content in made.items()}
    detect = "autocmd BufRead,BufNewFile *.plena setfiletype plena\n"
    return {
        **texts,
        FOLDER / "vim" / "syntax" / "plena.vim": vim(),
        FOLDER / "vim" / "ftdetect" / "plena.vim": detect,
    }
