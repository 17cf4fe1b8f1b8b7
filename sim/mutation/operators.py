"""Small faults in SystemVerilog text, one token each: what `plena mutate` puts into the RTL.

The text is cut into tokens. What is no logic is left alone: comments, strings, module headers,
declarations, checks of parameters that end in `$fatal`, and the sinks of unused signals.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OPERATORS = {
    **{"+": "-", "-": "+", "*": "+", "&": "|", "|": "&", "^": "|", "&&": "||", "||": "&&"},
    **{"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "<<": ">>", ">>": "<<"},
    **{"+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "+:": "-:", "-:": "+:"},
}
"""What each binary operator becomes; `&` and `|` also where they reduce a vector."""

LITERALS = {"1'b0": "1'b1", "1'b1": "1'b0", "'0": "'1", "'1": "'0"}

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<comment>//[^\n]*|/\*.*?\*/|`[^\n]*)|(?P<string>\"(?:\\.|[^\"])*\")"
    r"|(?P<literal>\d*'s?[bdhoBDHO][0-9a-fA-FxXzZ_?]+|'[01xz](?![\w'])|\d[\d_]*)"
    r"|(?P<name>[$\w][\w$]*(?:::\w+)?(?:\.\w+)*|\.\w+)"
    r"|(?P<operator><<<|>>>|===|!==|&&|\|\||==|!=|<=|>=|<<|>>|\+\+|--|\+=|-=|\|=|&=|\+:|-:|'[({]"
    r"|[-+*/%&|^~!?:;,.()\[\]{}=<>@#'])",
    re.DOTALL,
)
_ONE_OPERATOR = re.compile(r"![\w.\[\]]+|[^&|<>!=]*[!=]=[^&|<>!=]*")
_SKIPPED = (
    re.compile(r"\bmodule\s.*?\n\);", re.DOTALL),
    re.compile(r"\btypedef\b.*?;", re.DOTALL),
    re.compile(r"\bimport\b.*?;"),
    re.compile(r"\bif \((?:[^;]|\n)*?\) begin : gen_illegal\w*\n.*?\n +end\b", re.DOTALL),
    re.compile(r"\bfunction automatic bit is_\w+\(.*?\bendfunction", re.DOTALL),
    re.compile(
        r"\bfunction automatic [^;(]*\b(?:pack_\w+|fmt_of|minifloat_of|mx_of|elem_fmt|\w+_text)\("
        r".*?\bendfunction",
        re.DOTALL,
    ),
    re.compile(r"^  localparam int unsigned \w+ += pack_\w+\(.*?;", re.MULTILINE),
    re.compile(r"\bfunction automatic [^;]*;", re.DOTALL),
    re.compile(r"\blocalparam int unsigned (?:Latency|Interval)\b.*?;", re.DOTALL),
    re.compile(r"\bassign unused_\w+\b.*?;", re.DOTALL),
    re.compile(r"\$(?:fatal|error)\b.*?;", re.DOTALL),
    re.compile(r"^ *(?:logic|genvar|bit|int)\b[^=;]*;", re.MULTILINE),
    re.compile(r"^ *(?:logic|bit|int)\b[^=;]*(?==)", re.MULTILINE),
    re.compile(r"\blocalparam\b[^=;]*(?==)"),
    re.compile(r"\bfor \([^\n]*begin\b"),
)
"""Pieces of text that hold no logic. Loops are left alone too: another bound is another width.
Functions that pack formats and take them apart are compared with golden's by tests/rtl."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One small change of one file."""

    file: str
    """Relative to the RTL folder."""
    line: int
    column: int
    kind: str
    old: str
    new: str
    offset: int
    """Of `old` in the file."""
    before: str
    """The line as it stands, without its indentation."""
    after: str
    """The line with the change."""

    @property
    def id(self) -> str:
        """Name that stays the same while line numbers move: file, line's text, change."""
        word = f"{self.before}\0{self.after}\0{self.column}"
        digest = hashlib.sha256(word.encode()).hexdigest()[:10]
        return f"{Path(self.file).stem}-{self.line}-{digest}"

    def apply(self, text: str) -> str:
        """Return the file's text with the change."""
        assert text.startswith(self.old, self.offset)
        return text[: self.offset] + self.new + text[self.offset + len(self.old) :]

    def describe(self) -> str:
        """Return the change in one line."""
        return f"{self.file}:{self.line}:{self.column}: {self.before}  =>  {self.after}"


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    offset: int


def mutants_of(text: str, file: str) -> list[Mutant]:
    """Return every mutant of a file's text, in the order of the text.

    >>> [m.after for m in mutants_of("assign y = a & ~b;", "toy.sv")]
    ['assign y = a;', 'assign y = a | ~b;', 'assign y = a & b;']
    >>> [m.after for m in mutants_of("assign y = c ? a : b[1];", "toy.sv")][:2]
    ['assign y = !(c) ? a : b[1];', 'assign y = c ? a : b[2];']
    """
    found: dict[tuple[int, str, str], Mutant] = {}
    for offset, old, new, kind in _changes(text):
        start = text.rfind("\n", 0, offset) + 1
        end = text.find("\n", offset + len(old))
        end = len(text) if end < 0 else end
        changed = text[start:offset] + new + text[offset + len(old) : end]
        mutant = Mutant(
            file=file,
            line=text.count("\n", 0, offset) + 1,
            column=offset - start + 1,
            kind=kind,
            old=old,
            new=new,
            offset=offset,
            before=_flat(text[start:end]),
            after=_flat(changed),
        )
        if mutant.before != mutant.after:
            found.setdefault((offset, old, new), mutant)
    return sorted(found.values(), key=lambda mutant: (mutant.offset, mutant.kind))


def _flat(text: str) -> str:
    """Return text without comments and with single spaces."""
    return " ".join(re.sub("//[^\n]*", "", text).split()).replace(" ;", ";")


def _changes(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield offset, old, new and kind of every change."""
    tokens = _tokens(text)
    assigns = _assignments(tokens)
    for index, token in enumerate(tokens):
        if token.kind == "skipped":
            continue
        binary = _is_operand_end(tokens[index - 1]) if index else False
        yield from _operator(token, binary=binary and index not in assigns)
        yield from _constant(token)
        if token.text == "?":
            start = _condition_start(tokens, index)
            yield from _inverted(
                text, start, tokens[index - 1].offset + len(tokens[index - 1].text)
            )
        if token.text == "if" and tokens[index + 1].text == "(":
            last = tokens[_closing(tokens, index + 1)].offset
            yield from _inverted(text, tokens[index + 1].offset + 1, last)
        if binary and token.text in ("&&", "||", "&", "|", "^", "+", "-") and index not in assigns:
            end = _operand_end(tokens, index + 1)
            if end is not None:
                before = tokens[index - 1].offset + len(tokens[index - 1].text)
                yield before, text[before:end], "", "dropped term"
        if index in assigns and token.text == "<=":
            yield from _dropped(text, tokens, index)
        if token.text == "[":
            yield from _bounds(tokens, index)


def _tokens(text: str) -> list[_Token]:
    """Return the tokens of a text that can be mutated, without space and comments."""
    skipped = [match.span() for pattern in _SKIPPED for match in pattern.finditer(text)]
    tokens = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"no token at {text[position : position + 20]!r}")
        kind = str(match.lastgroup)
        if kind not in ("space", "comment"):
            inside = any(start <= position < end for start, end in skipped)
            tokens.append(_Token("skipped" if inside else kind, match[0], position))
        position = match.end()
    return tokens


def _assignments(tokens: list[_Token]) -> set[int]:
    """Return which `<=` assign: those outside brackets in a statement without `=` before them."""
    found, depth, assigned = set(), 0, False
    for index, token in enumerate(tokens):
        if token.text in ("(", "[", "{", "'(", "'{"):
            depth += 1
        elif token.text in (")", "]", "}"):
            depth -= 1
        elif token.text in (";", "begin", "end", "else"):
            assigned = False
        elif token.text == "=" and depth == 0:
            assigned = True
        elif token.text == "<=" and depth == 0 and not assigned:
            found.add(index)
            assigned = True
    return found


def _is_operand_end(token: _Token) -> bool:
    if token.kind == "name":
        return token.text not in ("return", "assign", "else", "begin", "if", "inside", "case")
    return token.kind in ("literal", "skipped") or token.text in (")", "]", "}")


def _operator(token: _Token, *, binary: bool) -> Iterator[tuple[int, str, str, str]]:
    if token.kind != "operator":
        return
    if token.text in OPERATORS and (binary or token.text in ("&", "|")):
        yield token.offset, token.text, OPERATORS[token.text], "operator"
    if token.text in ("!", "~") or (token.text == "-" and not binary):
        yield token.offset, token.text, "", "operator"


def _constant(token: _Token) -> Iterator[tuple[int, str, str, str]]:
    if token.kind != "literal":
        return
    if token.text in LITERALS:
        yield token.offset, token.text, LITERALS[token.text], "constant"
    elif token.text.isdigit():
        number = int(token.text)
        yield token.offset, token.text, str(number + 1), "constant"
        if number:
            yield token.offset, token.text, str(number - 1), "constant"


def _inverted(text: str, start: int, end: int) -> Iterator[tuple[int, str, str, str]]:
    """Yield a condition's opposite, unless changing its one operator gives the same."""
    old = text[start:end]
    if not _ONE_OPERATOR.fullmatch(old):
        yield start, old, f"!({old})", "inverted condition"


def _bounds(tokens: list[_Token], opening: int) -> Iterator[tuple[int, str, str, str]]:
    """Yield changes by one of the bounds of a slice, or of an index, that are plain names."""
    closing = _closing(tokens, opening)
    for index in range(opening + 1, closing):
        token = tokens[index]
        alone = tokens[index - 1].text in ("[", ":") and tokens[index + 1].text in ("]", ":")
        if token.kind == "name" and alone:
            yield token.offset, token.text, f"{token.text}-1", "index"
            yield token.offset, token.text, f"{token.text}+1", "index"


def _closing(tokens: list[_Token], opening: int) -> int:
    depth = 0
    for index in range(opening, len(tokens)):
        if tokens[index].text in ("(", "[", "{", "'(", "'{"):
            depth += 1
        elif tokens[index].text in (")", "]", "}"):
            depth -= 1
            if depth == 0:
                return index
    return len(tokens) - 1


def _condition_start(tokens: list[_Token], question: int) -> int:
    """Return the offset at which the condition of a `?` begins."""
    depth = 0
    index = question - 1
    while index >= 0:
        word = tokens[index].text
        if word in (")", "]", "}"):
            depth += 1
        elif word in ("(", "[", "{", "'(", "'{"):
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and word in ("=", "?", ":", ",", ";", "return", "<=", "begin"):
            break
        index -= 1
    return tokens[index + 1].offset


def _operand_end(tokens: list[_Token], index: int) -> int | None:
    """Return the end of the operand that begins at a token; None if more of it binds tighter."""
    while index < len(tokens) and tokens[index].text in ("!", "~", "-", "&", "|", "^"):
        index += 1
    if index >= len(tokens) or tokens[index].kind == "skipped":
        return None
    last = _closing(tokens, index) if tokens[index].text in ("(", "{") else index
    while last + 1 < len(tokens) and (
        tokens[last + 1].text in ("[", "(", "'(") or tokens[last + 1].text.startswith(".")
    ):
        step = last + 1
        last = _closing(tokens, step) if tokens[step].text in ("[", "(", "'(") else step
    following = tokens[last + 1].text if last + 1 < len(tokens) else ";"
    if following in ("*", "<<", ">>", "==", "!=", "<", ">", "<=", ">=", "?", "&", "|", "^"):
        return None
    return tokens[last].offset + len(tokens[last].text)


def _dropped(text: str, tokens: list[_Token], index: int) -> Iterator[tuple[int, str, str, str]]:
    """Yield the loss of a nonblocking assignment; a reset that is not done is one of them."""
    first = index
    while first and tokens[first - 1].text not in (";", "begin", "else", ")", "end"):
        first -= 1
    last = index
    while tokens[last].text != ";":
        last += 1
    start, end = tokens[first].offset, tokens[last].offset
    yield start, text[start:end], "", "dropped assignment"
