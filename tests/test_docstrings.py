"""Public functions of three parameters or more say what each is, what comes back, what is raised.

The sections are those of golden's docstrings: `Args:`, `Returns:`, `Raises:`. A sibling may name
the function of its folder that has them: "arguments, results and errors are those of `add`".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "plena_cosim"

# ------------------------------------------------------------------------------------- the rules

FEWEST = 3
"""Functions with fewer parameters, self and cls not counted, may say all in a sentence."""

HOOKS = re.compile(r"pytest_\w+|forward|backward")
"""Called by a framework, which says what their parameters are."""

COMMANDS = re.compile(r"\b(command|callback)\(")
"""Decorators of typer: the help text of each option stands in its annotation."""

OUTCOMES = {"NotImplementedError", "SystemExit", "Exit", "StopIteration", "Stop", "AssertionError"}
"""What is raised without being an error that a caller handles."""

SIBLING = re.compile(r"\b([Aa]rguments?\b[^.:`]*?) (?:are those of|as) `([\w.]+)`")
"""What is said of a sibling (arguments, results, errors), and its name."""

PENDING: set[str] = set()
"""Folders of src/plena_cosim still to be written, as golden's are."""

# ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function and where it stands."""

    path: Path
    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    is_method: bool

    @property
    def parameters(self) -> list[str]:
        """Names, without self and cls."""
        given = self.node.args
        names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        names += [each.arg for each in (given.vararg, given.kwarg) if each is not None]
        static = any(ast.unparse(each) == "staticmethod" for each in self.node.decorator_list)
        return names[1:] if self.is_method and not static else names

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.node) or ""

    @property
    def documented(self) -> set[str]:
        """Parameters in its own Args."""
        return names_in(sections_of(self.docstring).get("Args", ""))

    @property
    def sibling(self) -> tuple[str, str]:
        """What it shares with another function, and the name of that; empty without one."""
        found = SIBLING.search(" ".join(self.docstring.split()))
        return (found[1], found[2]) if found else ("", "")

    def faults(self) -> list[str]:
        """Return what its docstring, and that of a sibling that it names, lacks."""
        sections = sections_of(self.docstring)
        shared, _ = self.sibling
        found = [f"Args of {name}" for name in self.parameters if name not in self.named()]
        returns = "Returns" in sections or "results" in shared or self._says_what_returns()
        if self._returns() and not returns:
            found.append("Returns")
        if self._raises() and "Raises" not in sections and "errors" not in shared:
            found.append("Raises")
        return found

    def named(self) -> set[str]:
        """Return the parameters in its Args, and in those of every function that is its sibling."""
        _, name = self.sibling
        if not name:
            return self.documented
        here, beside = [self.path], sorted(self.path.parent.glob("*.py"))
        shared = called(name, here) or called(name, beside)
        return self.documented.union(set.intersection(*shared) if shared else set())

    def _returns(self) -> bool:
        returned = ast.unparse(self.node.returns) if self.node.returns else "None"
        return returned not in ("None", "NoReturn", "Never")

    def _says_what_returns(self) -> bool:
        """Whether the first sentence is about the result."""
        first = self.docstring.partition("\n\n")[0]
        return re.match(r"Return |Yield |Whether |Give |[^.]*\b[Rr]eturns? ", first) is not None

    def _raises(self) -> bool:
        """Whether a statement of its own, not of a function inside, raises a new error."""
        return any(
            isinstance(node, ast.Raise) and node.exc is not None and not outcome(node.exc)
            for node in own_statements(self.node)
        )


def called(name: str, paths: list[Path]) -> list[set[str]]:
    """Return the parameters that each function of this name documents; methods by either name."""
    return [
        each.documented
        for path in paths
        for each in all_functions(path)
        if name in (each.name, each.node.name)
    ]


def own_statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is inside of a node, without the functions and classes in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            yield child
            yield from own_statements(child)


def outcome(raised: ast.expr) -> bool:
    """Return whether what is raised is no error for a caller, or a caught one raised again."""
    called = raised.func if isinstance(raised, ast.Call) else raised
    name = ast.unparse(called).rsplit(".", 1)[-1]
    return name in OUTCOMES or (isinstance(raised, ast.Name) and raised.id.islower())


def sections_of(docstring: str) -> dict[str, str]:
    """Return the text of each section by its heading."""
    parts = re.split(r"^(Args|Returns|Yields|Raises):[ ]*$", docstring, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return found | ({"Returns": found["Yields"]} if "Yields" in found else {})


def names_in(section: str) -> set[str]:
    """Return the names before the colons of a section, as in `a, b: codes of fmt`."""
    heads = re.findall(r"^    (\*{0,2}\w+(?:, \*{0,2}\w+)*):", section, flags=re.MULTILINE)
    return {name.strip(" *") for head in heads for name in head.split(",")}


@cache
def all_functions(path: Path) -> tuple[Function, ...]:
    """Return the functions of a file, but those inside of functions and private classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    places: list[tuple[str, ast.AST, bool]] = [("", tree, False)]
    found = []
    for prefix, place, in_class in places:
        for node in ast.iter_child_nodes(place):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.append((f"{prefix}{node.name}.", node, True))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                name = f"{prefix}{node.name}"
                found.append(Function(path=path, name=name, node=node, is_method=in_class))
    return tuple(found)


def functions(path: Path) -> Iterator[Function]:
    """Yield the functions of a file that need the sections."""
    for found in all_functions(path):
        decorators = [ast.unparse(each) for each in found.node.decorator_list]
        hook = HOOKS.fullmatch(found.node.name) or any(map(COMMANDS.search, decorators))
        overloaded = any(each.endswith("overload") for each in decorators)
        if found.node.name.startswith("_") or hook or overloaded:
            continue
        if len(found.parameters) >= FEWEST:
            yield found


def sources() -> dict[str, list[Path]]:
    """Return the files of each folder."""
    folders = {"golden": ROOT / "golden", "sim": ROOT / "sim"}
    folders |= {path.name: path for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    return {name: sorted(folder.rglob("*.py")) for name, folder in sorted(folders.items())}


@pytest.mark.parametrize("folder", sources())
def test_public_functions_say_what_they_take_return_and_raise(folder: str) -> None:
    lacking = [
        f"{each.path.relative_to(ROOT)}:{each.node.lineno} {each.name}: {', '.join(each.faults())}"
        for path in sources()[folder]
        for each in functions(path)
        if each.faults()
    ]
    if folder in PENDING:
        assert lacking, f"{folder} lacks nothing any more: take it out of PENDING"
        pytest.skip(f"{len(lacking)} functions still to be written")
    assert not lacking, "docstrings lack sections:\n" + "\n".join(lacking)


def test_siblings_that_docstrings_name_document_the_parameters() -> None:
    """Also those of functions with fewer parameters, which need no sections."""
    siblings = [
        each
        for paths in sources().values()
        for path in paths
        for each in all_functions(path)
        if each.sibling[1]
    ]
    assert siblings
    lost = [
        f"{each.path.relative_to(ROOT)} {each.name}: {each.sibling[1]} does not say what {name} is"
        for each in siblings
        for name in each.parameters
        if name not in each.named()
    ]
    assert not lost, "\n".join(lost)


ADD = '''
def add(a: int, b: int, fmt: str) -> int:
    """Return the sum.

    Args:
        a, b: codes.
        fmt: their format.
    """
'''


@pytest.mark.parametrize(
    ("says", "lacking"),
    [
        ("Arguments, results and errors are those of `add`.", ["Args of lanes"]),
        ("The arguments as `add`.", ["Args of lanes", "Returns", "Raises"]),
        (
            "Arguments and errors are\n    those of `add`.\n\n    Args:\n        lanes: beside.",
            ["Returns"],
        ),
        (
            "Arguments, results and errors are those of `lost`.",
            ["Args of a", "Args of b", "Args of fmt", "Args of lanes"],
        ),
    ],
)
def test_a_sibling_documents_what_it_is_said_to(
    tmp_path: Path, says: str, lacking: list[str]
) -> None:
    (tmp_path / "add.py").write_text(ADD, encoding="utf-8")
    sub = f'''
def sub(a: int, b: int, fmt: str, *, lanes: int) -> int:
    """Subtract.

    {says}
    """
    raise ValueError
'''
    (tmp_path / "sub.py").write_text(sub, encoding="utf-8")
    (found,) = functions(tmp_path / "sub.py")
    assert found.faults() == lacking
