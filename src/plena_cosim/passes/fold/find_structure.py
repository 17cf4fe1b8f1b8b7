"""find_structure: what may be folded in a decoder, seen in what flows through its modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from ..modules.quant_norm import gain_offset
from ..plan.module_kind import Kind, activation_names, kind_of
from .matrix import Matrix
from .parts import matrices_of
from .probe import near, run_probe, same
from .structure import Layer, Norm, Structure, Sublayer, Values


def find_structure(model: nn.Module) -> Structure:
    """Find in a decoder of transformers what may be folded, by what flows through its modules.

    The model reads a few tokens. What reads the stream is found from the tensor that it takes, what
    writes to it from the sums, and every parameter has to have a known part.

    Args:
        model: a float model with a head, `…ForCausalLM`.

    Raises:
        FormatError: some part is not what folding knows; the message names the module and says why.
    """
    return _Finder(model).structure()


class _Finder:
    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.modules = dict(model.named_modules())
        self.names = {id(module): name for name, module in self.modules.items()}
        self.embedding, self.head = self._ends()
        self.probe = run_probe(model)
        self.known: set[int] = set()

    def structure(self) -> Structure:
        layers = self._layers()
        inputs = self.probe.taken(layers[0])
        embedded = self.probe.given(self.embedding)
        ratio = float(inputs.double().norm() / embedded.double().norm())
        if not near(inputs, embedded * ratio):
            raise FormatError(
                f"{layers[0]}: takes more than the embedded tokens (such as learned positions), "
                "which folding does not know"
            )
        found = tuple(self._layer(name) for name in layers)
        norm = self._final_norm(layers[-1])
        (embedding,) = matrices_of(self.embedding, self.modules[self.embedding])
        (head,) = matrices_of(self.head, self.modules[self.head])
        tied = head.weight is embedding.weight
        for matrix in (embedding,) if tied else (embedding, head):
            self._know(matrix)
        self._require_all_known()
        return Structure(embedding=embedding, layers=found, norm=norm, head=head, tied=tied)

    def _ends(self) -> tuple[str, str]:
        found = []
        for what in ("input", "output"):
            getter = getattr(self.model, f"get_{what}_embeddings", None)
            module = getter() if getter is not None else None
            wanted = nn.Embedding if what == "input" else nn.Linear
            if not isinstance(module, wanted) or id(module) not in self.names:
                raise FormatError(
                    f"{type(self.model).__name__} has no {what} embedding of type "
                    f"{wanted.__name__}; folding needs a language model with its head "
                    "(AutoModelForCausalLM)"
                )
            found.append(self.names[id(module)])
        return found[0], found[1]

    def _layers(self) -> list[str]:
        """Return the entries of the one list of modules that hold attention."""
        lists: dict[str, list[str]] = {}
        for name, module in self.modules.items():
            if kind_of(module) is not Kind.ATTENTION:
                continue
            above = name.split(".")
            parents = [".".join(above[:end]) for end in range(len(above) - 1, 0, -1)]
            layer = next((p for p in parents if isinstance(self._parent(p), nn.ModuleList)), None)
            if layer is None:
                raise FormatError(f"{name}: attention outside of a list of layers")
            lists.setdefault(layer.rpartition(".")[0], []).append(layer)
        if len(lists) != 1:
            raise FormatError(
                f"{type(self.model).__name__} has {len(lists)} lists of layers with attention "
                f"({', '.join(lists)}); folding knows decoders with one"
            )
        ((name, layers),) = lists.items()
        every = [child for child, _ in self.modules[name].named_children()]
        if [f"{name}.{child}" for child in every] != layers:
            raise FormatError(f"{name}: not every layer has exactly one attention module")
        return layers

    def _parent(self, name: str) -> nn.Module | None:
        return self.modules.get(name.rpartition(".")[0])

    def _layer(self, name: str) -> Layer:
        children = [f"{name}.{child}" for child, _ in self.modules[name].named_children()]
        norms = [child for child in children if kind_of(self.modules[child]) is Kind.NORM]
        blocks = [
            child
            for child in children
            if child not in norms and any(True for _ in self.modules[child].parameters())
        ]
        attention = [b for b in blocks if kind_of(self.modules[b]) is Kind.ATTENTION]
        if len(blocks) != 2 or len(attention) != 1:
            raise FormatError(
                f"{name}: has {', '.join(blocks)} beside its norms; folding knows layers of one "
                "attention module and one MLP"
            )
        mlp = next(block for block in blocks if block not in attention)
        stream = self.probe.taken(name)
        first = self._sublayer(attention[0], norms, stream)
        if self.probe.reads(mlp, self.probe.given(first.norm.name)):
            raise FormatError(
                f"{name}: attention and MLP read the same norm (parallel sublayers), which folding "
                "does not know"
            )
        middle = self.probe.taken(first.norm.name) + self.probe.given(attention[0])
        second = self._sublayer(mlp, norms, middle)
        end = self.probe.taken(second.norm.name) + self.probe.given(mlp)
        if not near(self.probe.given(name), end):
            raise FormatError(
                f"{name}: its output is not stream + attention + MLP (a factor on the residual?), "
                "which folding does not know"
            )
        self._inner_norms(attention[0], first)
        values = self._values(attention[0], first)
        self._sinks(attention[0], values)
        return Layer(
            name=name,
            attention=first,
            mlp=second,
            values=values if isinstance(values, Values) else None,
            no_values=values if isinstance(values, str) else "",
            gated=self._gated(mlp, second),
        )

    def _sublayer(self, block: str, norms: list[str], stream: Tensor) -> Sublayer:
        taken, given = self.probe.taken(block), self.probe.given(block)
        for name in norms:
            if self.probe.reads(name, given):
                raise FormatError(
                    f"{name}: a norm after a sublayer, before the sum; its gain cannot move into a "
                    "weight, so this model cannot be folded"
                )
        norm = next((name for name in norms if same(self.probe.given(name), taken)), None)
        if norm is None:
            raise FormatError(f"{block}: does not read the output of a norm of its layer")
        found = self._norm(norm)
        if not near(self.probe.taken(norm), stream):
            raise FormatError(
                f"{norm}: does not read the sum of the stream and what was added before (parallel "
                "sublayers, or a factor on the residual?), which folding does not know"
            )
        readers, writers = self._matrices(block, self.probe.given(norm))
        wrong = next((w for w in writers if w.outputs != taken.shape[-1]), None)
        if wrong is not None:
            raise FormatError(
                f"{wrong.name}: neither reads the normed stream nor writes to the stream"
            )
        names = list(dict.fromkeys(writer.module for writer in writers))
        parts = [self.probe.given(name).reshape(given.shape) for name in names]
        if not parts or not near(given, torch.stack(parts).sum(0)):
            raise FormatError(
                f"{block}: its output is not the sum of what {', '.join(names) or 'nothing'} "
                "gives, so it is not known what writes to the stream"
            )
        return Sublayer(name=block, norm=found, readers=tuple(readers), writers=tuple(writers))

    def _matrices(self, block: str, normed: Tensor) -> tuple[list[Matrix], list[Matrix]]:
        """Return what in a block reads the normed stream, and what else has a matrix."""
        readers: list[Matrix] = []
        writers: list[Matrix] = []
        for name, module in self.modules.items():
            if name != block and not name.startswith(f"{block}."):
                continue
            found = matrices_of(name, module)
            if not found:
                continue
            if self.probe.reads(name, normed):
                readers.append(found.pop(0))
                self._know(readers[-1])
            for matrix in found:
                writers.append(matrix)
                self._know(matrix)
        return readers, writers

    def _norm(self, name: str) -> Norm:
        module = self.modules[name]
        if isinstance(module, nn.LayerNorm):
            raise FormatError(
                f"{name}: LayerNorm takes the mean away, which a rotation does not keep; only "
                "models with root-mean-square norms can be folded"
            )
        offset = gain_offset(module, name)
        weight = module.get_parameter("weight")
        self._know_parameter(weight, f"{name}.weight")
        return Norm(name=name, weight=weight, offset=offset)

    def _final_norm(self, last: str) -> Norm:
        stream, wanted = self.probe.given(last), self.probe.taken(self.head)
        for name, module in self.modules.items():
            if kind_of(module) is Kind.NORM and self.probe.reads(name, stream):
                if not same(self.probe.given(name), wanted):
                    raise FormatError(f"{self.head}: does not read the output of {name}")
                return self._norm(name)
        raise FormatError(f"{last}: no norm reads the stream after the last layer")

    def _inner_norms(self, attention: str, block: Sublayer) -> None:
        """Know the norms of queries and keys, which concern neither the stream nor values."""
        for name, module in self.modules.items():
            if not name.startswith(f"{attention}.") or kind_of(module) is not Kind.NORM:
                continue
            sources = [r for r in block.readers if self.probe.reads(name, self._given(r))]
            if not sources or sources[0].module.rpartition(".")[2] not in ("q_proj", "k_proj"):
                raise FormatError(f"{name}: a norm in attention that reads no queries or keys")
            for inner, parameter in module.named_parameters():
                self._know_parameter(parameter, f"{name}.{inner}")

    def _sinks(self, attention: str, values: Values | str) -> None:
        """Know a number for each query head, which only scores can take (gpt-oss)."""
        for name, parameter in self.modules[attention].named_parameters(recurse=False):
            heads = values.target.inputs // values.head_dim if isinstance(values, Values) else 0
            if parameter.shape == (heads,):
                self._know_parameter(parameter, f"{attention}.{name}")

    def _values(self, attention: str, block: Sublayer) -> Values | str:
        module = self.modules[attention]
        source = next((r for r in block.readers if r.module == f"{attention}.v_proj"), None)
        if source is None:
            return f"{attention}: has no v_proj of its own"
        (target, *others) = block.writers
        head_dim = getattr(module, "head_dim", None)
        if others or not isinstance(head_dim, int):
            return f"{attention}: has more than one output projection, or no head_dim"
        if source.outputs % head_dim or target.inputs % source.outputs:
            return (
                f"{attention}: {source.outputs} values and {target.inputs} inputs of "
                f"{target.name} are no heads of {head_dim}"
            )
        return Values(source=source, target=target, head_dim=head_dim)

    def _gated(self, mlp: str, block: Sublayer) -> tuple[Matrix, Matrix] | None:
        """Return up and down of down(act(gate) * up), seen from the numbers."""
        acts = activation_names(self.modules[mlp])
        if len(acts) != 1 or len(block.readers) != 2 or len(block.writers) != 1:
            return None
        act, (down,) = f"{mlp}.{acts[0]}", block.writers
        if not self.probe.calls.get(act):
            return None
        taken = self.probe.taken(act)
        ups = [reader for reader in block.readers if not same(self._given(reader), taken)]
        if len(ups) != 1 or self._given(ups[0]).shape != taken.shape:
            return None
        product = self.probe.given(act) * self._given(ups[0])
        return (ups[0], down) if near(self.probe.taken(down.module), product) else None

    def _given(self, matrix: Matrix) -> Tensor:
        return self.probe.given(matrix.module)

    def _know(self, matrix: Matrix) -> None:
        self._know_parameter(matrix.weight, matrix.name)
        if matrix.bias is not None:
            self._know_parameter(matrix.bias, f"{matrix.module}'s bias")

    def _know_parameter(self, parameter: nn.Parameter, name: str) -> None:
        if id(parameter) in self.known:
            raise FormatError(f"{name}: is used in two places, and would be folded twice")
        self.known.add(id(parameter))

    def _require_all_known(self) -> None:
        for name, parameter in self.model.named_parameters():
            if id(parameter) not in self.known:
                raise FormatError(
                    f"{name}: a parameter of {tuple(parameter.shape)} whose part in the model "
                    "folding does not know"
                )
