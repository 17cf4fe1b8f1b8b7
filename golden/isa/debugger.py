"""A debugger in the terminal: steps, breaks, and the state's parts as values."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.errors import PlenaError

from .dump import dumped
from .interpreter import Interpreter, Step
from .state import Write
from .trap import TrapError
from .word import DecodeError, decode

HELP = """\
step [n]      carry out n instructions (1)
run           go on to a break, a trap or the end
break [word]  stop before a word; without one, list the breaks
clear word    stop there no more
print part    show gp, f, a, or a part such as vector:0-3, tile:0, fp:0-7, int:0, hbm:0-63
list [n]      show n instructions from here on (5)
help          show this
quit          leave"""
_SHORT = {
    "s": "step",
    "r": "run",
    "b": "break",
    "p": "print",
    "l": "list",
    "h": "help",
    "q": "quit",
}
_KNOWN = ("step", "run", "break", "clear", "print", "list", "help", "quit")
_SHOWN_ELEMENTS = 4


class Debugger:
    """A program that is carried out as somebody says.

    Args:
        interpreter: with the program.
        lines: source lines by word; empty where there is no source.
        show: takes a line of text.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        *,
        lines: dict[int, str] | None = None,
        show: Callable[[str], object] = print,
    ) -> None:
        self.interpreter, self.show = interpreter, show
        self.lines = lines or {}
        self.breaks: set[int] = set()
        self.trapped = False

    def talk(self, commands: Iterator[str]) -> None:
        """Do what commands say, until they end or one is `quit`.

        Args:
            commands: lines; an empty one repeats `step`.
        """
        self._here()
        for line in commands:
            words = line.split()
            name = _SHORT.get(words[0], words[0]) if words else "step"
            if name == "quit":
                return
            if name not in _KNOWN:
                self.show(f"no command {name!r}; `help` lists them{did_you_mean(name, _KNOWN)}")
                continue
            try:
                getattr(self, f"_{name}")(*words[1:])
            except TrapError as trap:
                self.trapped = True
                self.show(f"trap: {trap}")
            except (PlenaError, ValueError, TypeError) as error:
                what = str(error) if isinstance(error, PlenaError) else f"cannot read {line!r}"
                self.show(f"{what}; `help` lists the commands")

    def _step(self, count: str = "1") -> None:
        for _ in range(int(count, 0)):
            if self.interpreter.state.halted:
                break
            self._say(self.interpreter.step())
        self._here()

    def _run(self) -> None:
        steps = 0
        while not self.interpreter.state.halted:
            self.interpreter.step()
            steps += 1
            if self.interpreter.state.pc in self.breaks:
                break
        self.show(f"{steps} instructions")
        self._here()

    def _break(self, word: str | None = None) -> None:
        if word is not None:
            at = int(word, 0)
            if not 0 <= at < len(self.interpreter.words):
                self.show(f"there are words 0 to {len(self.interpreter.words) - 1}")
                return
            self.breaks.add(at)
        self.show("breaks: " + (", ".join(map(str, sorted(self.breaks))) or "none"))

    def _clear(self, word: str) -> None:
        self.breaks.discard(int(word, 0))
        self._break()

    def _print(self, part: str) -> None:
        for line in dumped(part, self.interpreter.state, self.interpreter.machine):
            self.show(line)

    def _list(self, count: str = "5") -> None:
        first = self.interpreter.state.pc
        for at in range(first, min(first + int(count, 0), len(self.interpreter.words))):
            self.show(self._text(at))

    def _help(self) -> None:
        self.show(HELP)

    def _here(self) -> None:
        state = self.interpreter.state
        self.show("the program has ended" if state.halted else self._text(state.pc))

    def _text(self, at: int) -> str:
        if at >= len(self.interpreter.words):
            return f"{at:6d}  no word"
        try:
            shown = str(decode(self.interpreter.revision, self.interpreter.words[at]))
        except DecodeError as error:
            shown = str(error)
        mark = "*" if at in self.breaks else " "
        source = self.lines.get(at, "")
        return f"{mark}{at:6d}  {shown:<36}  {source}".rstrip()

    def _say(self, step: Step) -> None:
        for write in step.writes:
            if write.space not in ("pc", "halted"):
                self.show(f"         {self._written(write)}")

    def _written(self, write: Write) -> str:
        if write.space in ("gp", "f", "a", "vector", "fp", "int"):
            place = "vector" if write.space == "vector" else write.space
            part = f"{place}:{write.address}"
            text = next(dumped(part, self.interpreter.state, self.interpreter.machine))
            values = text.split(" ")
            cut = write.space == "vector" and len(values) > _SHOWN_ELEMENTS + 3
            return " ".join(values[: _SHOWN_ELEMENTS + 3]) + " …" if cut else text
        if write.space == "hbm":
            return f"hbm {write.address:#x}: {len(write.data)} bytes"
        if write.space in ("tile", "sums"):
            return f"{write.space} {write.address}"
        if write.space == "loops":
            return f"{len(write.data)} loops"
        return f"{write.space} {write.data}"
