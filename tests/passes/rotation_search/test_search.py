"""A rotation search finds what a plain loop over whole models finds, on every bit."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from plena_cosim.evaluate import evaluate_perplexity
from plena_cosim.golden import FormatError
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.modules.fake_linear import FakeLinear
from plena_cosim.passes.quantize_module import build_modules
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.rotation_search import (
    SearchResult,
    engine,
    search_rotations,
)

from ..families import FAMILIES, build
from ..recipes import IN4, W4A4, full_recipe
from .searching import (
    EVERYTHING,
    FEW,
    TYPES,
    model,
    recipe,
    stop_after_notes,
    tokens,
    without_shortcuts,
)


def said(found: SearchResult) -> list[tuple[dict[str, float], str | None]]:
    return [(dict(each.tried), each.winner) for each in found.rounds]


@pytest.mark.parametrize(
    ("given", "rotation"),
    [
        (EVERYTHING, None),
        (EVERYTHING, {"size": 4, "r4": True, "online": ["model.layers.1.mlp.up_proj"]}),
        (EVERYTHING, {"semantics": "dequant", "size": 16}),
    ],
    ids=["fused", "with rotations of its own", "dequant"],
)
def test_it_finds_what_whole_models_say(given: dict[str, Any], rotation: Any) -> None:
    found = search_rotations(model(), recipe(given, rotation), tokens())
    own = ["down_proj"] * (rotation is not None and rotation.get("r4", False))
    names = [name for name in TYPES if name not in own]
    baseline, rounds = without_shortcuts(given, [names], rotation)
    assert said(found) == rounds
    assert (found.baseline, found.perplexity) == (baseline, found.rounds[-1].after)
    assert len(found.winners) >= 2
    assert [each.before for each in found.rounds] == [
        baseline,
        *(each.after for each in found.rounds[:-1]),
    ]


def test_layer_by_layer_finds_what_whole_models_say() -> None:
    found = search_rotations(model(), recipe(FEW, per_layer=True), tokens())
    groups = [
        [
            f"model.layers.{layer}.{name}"
            for name in ("self_attn.o_proj", "mlp.down_proj", "self_attn.qk_matmul",
                         "self_attn.kv_cache")
        ]
        for layer in (0, 1)
    ]  # fmt: skip
    _, rounds = without_shortcuts(FEW, groups)
    assert said(found) == rounds
    assert {name.split(".")[2] for name in found.winners} == {"0", "1"}
    assert [each.place for each in found.rounds] == [
        f"model.layers.{0 if 'layers.0' in next(iter(tried)) else 1}" for tried, _ in rounds
    ]


@pytest.mark.parametrize("eps", [0.0, 0.5, 5.0, 1e9])
def test_a_rotation_has_to_help_by_more_than_improvement_eps(eps: float) -> None:
    found = search_rotations(model(), recipe(FEW, improvement_eps=eps), tokens())
    names = ["o_proj", "down_proj", "qk_matmul", "kv_cache"]
    assert said(found) == without_shortcuts(FEW, [names], eps=eps)[1]
    if eps == 1e9:
        assert (found.winners, found.perplexity) == ((), found.baseline)


def test_an_equal_perplexity_is_no_improvement() -> None:
    gain = search_rotations(model(), recipe(FEW, matmul_types=["down_proj"]), tokens())
    (once,) = (each for each in gain.rounds if each.winner)
    eps = once.before - once.after
    assert eps > 0
    for given, winners in ((eps, ()), (eps * (1 - 1e-9), ("down_proj",))):
        search = recipe(FEW, matmul_types=["down_proj"], improvement_eps=given)
        assert search_rotations(model(), search, tokens()).winners == winners


@pytest.mark.parametrize("family", FAMILIES)
def test_perplexities_are_those_of_whole_models(family: str) -> None:
    """Layers that run apart give the bits of evaluate_perplexity, whatever the model does."""
    given = full_recipe(family)
    of_model = build(family)
    found = search_rotations(of_model, recipe(given, matmul_types=["kv_cache", "o_proj"]), tokens())
    for rotation, value in (({}, found.baseline), *(
        ({"online": [name]}, value) for name, value in found.rounds[0].tried.items()
    )):  # fmt: skip
        whole = build(family)
        build_modules(whole, read_quant_config({**given, "rotation": rotation}))
        assert evaluate_perplexity(whole, tokens(), seqlen=20).token_perplexity == value


def test_modules_that_a_recipe_leaves_alone_run_as_in_the_whole_model() -> None:
    given = {r"model\.layers\.1\.mlp\..*": W4A4}
    found = search_rotations(model(), recipe(given), tokens())
    assert said(found) == without_shortcuts(given, [["gate_proj", "up_proj", "down_proj"]])[1]


def test_a_model_may_ask_its_layers_what_they_are() -> None:
    of_model, kinds = model(), []
    for layer in of_model.model.layers:
        layer.attention_type = "full"
    of_model.model.register_forward_pre_hook(
        lambda module, _: kinds.extend(layer.attention_type for layer in module.layers)
    )
    search_rotations(of_model, recipe(FEW, matmul_types=["o_proj"]), tokens())
    assert set(kinds) == {"full"}


def test_the_model_stays_as_it_was() -> None:
    of_model = model()
    before = copy.deepcopy(of_model.state_dict())
    names = [name for name, _ in of_model.named_modules()]
    kind = of_model.config._attn_implementation
    search_rotations(of_model, recipe(EVERYTHING, matmul_types=["kv_cache"]), tokens())
    assert [name for name, _ in of_model.named_modules()] == names
    assert of_model.config._attn_implementation == kind
    after = of_model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not any("forward" in vars(module) for module in of_model.modules())


# ----------------------------------------------------------------- what is not tried, and why


def test_what_is_not_tried_is_said() -> None:
    given = {**FEW, r".*\.q_proj": W4A4 | {"online_rotate": False}}
    found = search_rotations(
        model(), recipe(given, {"online": ["o_proj"]}, improvement_eps=1e9), tokens()
    )
    assert list(found.rounds[0].tried) == ["down_proj", "qk_matmul", "kv_cache"]
    assert list(found.left_out) == [
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "av_matmul",
    ]  # fmt: skip
    assert "selector says online_rotate" in found.left_out["q_proj"]
    assert "rotated already" in found.left_out["o_proj"]
    assert found.left_out["gate_proj"] == (
        "the recipe quantises none of its operands; give them a format or remove the name"
    )


def test_kv_cache_leaves_nothing_to_qk_matmul() -> None:
    types = ["qk_matmul", "kv_cache"]
    given = recipe(FEW, {"online": ["kv_cache"]}, matmul_types=[*types, "o_proj"])
    found = search_rotations(model(), given, tokens())
    assert all(list(each.tried) == ["o_proj"] for each in found.rounds)
    assert "kv_cache rotates queries and keys already" in found.left_out["qk_matmul"]
    assert "rotated already" in found.left_out["kv_cache"]


def test_what_cannot_be_rotated_is_left_out_with_the_reason() -> None:
    before_rope = {**IN4, "position": "pre_rope"}
    given = {r".*\.o_proj": W4A4, r".*self_attn": {"name": "mxint", "kv_cache": before_rope}}
    found = search_rotations(model(), recipe(given), tokens())
    assert all(list(each.tried) == ["o_proj"] for each in found.rounds)
    for name in ("qk_matmul", "kv_cache"):
        assert "quantises them before it" in found.left_out[name]
    sized = search_rotations(model(), recipe(FEW, {"size": 64}), tokens())
    assert "got 64; nearest: 48, 96" in sized.left_out["down_proj"]  # 96 elements


def test_what_only_decode_quantises_is_left_out() -> None:
    given = {r".*\.o_proj": W4A4, "phase": {"decode": {r".*\.down_proj": W4A4}}}
    found = search_rotations(model(), recipe(given), tokens())
    assert "only decode" in found.left_out["down_proj"]


def test_what_is_not_in_the_layers_is_left_out() -> None:
    of_model = model()
    of_model.adapter = nn.ModuleDict({"q_proj": nn.Linear(64, 64)})
    given = {r".*\.(q|o)_proj": W4A4}
    found = search_rotations(of_model, recipe(given), tokens())
    assert all(list(each.tried) == ["o_proj"] for each in found.rounds)
    assert found.left_out["q_proj"] == "adapter.q_proj is not in the layers (model.layers)"


@pytest.mark.parametrize("per_layer", [False, True])
def test_nothing_to_rotate_is_one_error(per_layer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.Engine, "__init__", lambda *_: pytest.fail("the model ran"))
    given = {r".*\.mlp": {"name": "minifloat", "data_in_exponent_width": 5,
                          "data_in_frac_width": 2}}  # fmt: skip
    with pytest.raises(FormatError, match=r"\[rotation_search\]: nothing to rotate; .*q_proj"):
        search_rotations(model(), recipe(given, per_layer=per_layer), tokens())


def test_a_recipe_that_names_no_layer_is_refused() -> None:
    given = {"lm_head": W4A4}
    with pytest.raises(FormatError, match="names no module in a stack of layers"):
        search_rotations(model(), recipe(given), tokens())


def test_a_search_needs_its_table_tables_and_tokens() -> None:
    bare = read_quant_config(FEW)
    with pytest.raises(FormatError, match=r"has no \[rotation_search\] table"):
        search_rotations(model(), bare, tokens())
    with pytest.raises(FormatError, match=r"shape of \(40,\)"):
        search_rotations(model(), recipe(FEW), tokens().flatten())
    with pytest.raises(FormatError, match="samples of 2 tokens or more"):
        search_rotations(model(), recipe(FEW), tokens()[:, :1])


def test_a_device_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(FormatError, match=r"device 'cuda:7' cannot be used .* or give \"cpu\""):
        search_rotations(model(), recipe(FEW, device="cuda:7"), tokens())


# ------------------------------------------------------------------------ what is shared


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often a layer ran on a sample."""
    count = [0]
    run_all = engine.run_all

    def counting(layer: nn.Module, hidden: list[torch.Tensor], arguments: Any) -> Any:
        count[0] += len(hidden)
        return run_all(layer, hidden, arguments)

    monkeypatch.setattr(engine, "run_all", counting)
    return count


def test_a_candidate_runs_only_the_layers_from_its_own_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layers = 5
    count = counted(monkeypatch)
    search = recipe(FEW, per_layer=True, matmul_types=["o_proj", "kv_cache"])
    of_model = model(num_hidden_layers=layers)
    found = search_rotations(of_model, search, tokens())
    expected = layers  # the model before the first round
    for index in range(layers):
        rounds = [each for each in found.rounds if each.place == f"model.layers.{index}"]
        expected += sum(len(each.tried) for each in rounds) * (layers - index)
        expected += index > 0  # the layer before it, with what was kept
    assert count[0] == expected * len(tokens())


def test_types_of_later_layers_share_the_layers_before(monkeypatch: pytest.MonkeyPatch) -> None:
    count = counted(monkeypatch)
    given = {r"model\.layers\.4\..*o_proj": W4A4, r"model\.layers\.2\..*up_proj": W4A4,
             r"model\.layers\.0\..*norm": {"name": "minifloat", "weight_exponent_width": 4,
                                           "weight_frac_width": 3}}  # fmt: skip
    found = search_rotations(
        model(num_hidden_layers=6), recipe(given, improvement_eps=1e9), tokens()
    )
    assert set(found.rounds[0].tried) == {"o_proj", "up_proj"}
    assert count[0] == (6 + 2 + 4) * len(tokens())


@pytest.mark.parametrize("goes_on", [False, True])
def test_only_weights_that_change_are_quantised_again(
    goes_on: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    init = FakeLinear.__init__

    def counting(self: FakeLinear, linear: nn.Linear, *args: Any, **kwargs: Any) -> None:
        made.append(linear.in_features)
        init(self, linear, *args, **kwargs)

    monkeypatch.setattr(FakeLinear, "__init__", counting)
    given = recipe(EVERYTHING, improvement_eps=1e9, cache_path=str(tmp_path / "decisions.json"),
                   matmul_types=["q_proj", "down_proj", "kv_cache", "av_matmul"])  # fmt: skip

    if goes_on:
        with monkeypatch.context() as patch:
            stop_after_notes(patch, KeyboardInterrupt)
            with pytest.raises(KeyboardInterrupt):
                search_rotations(model(), given, tokens())
        made.clear()
    search_rotations(model(), given, tokens())
    layers = 2
    assert len(made) == 7 * layers + 1 + 2 * layers  # all, lm_head too; q_proj and down_proj
    assert made.count(96) == 2 * layers  # down_proj


def test_what_is_kept_reaches_the_layers_behind_it() -> None:
    given = {r"model\.layers\.1\..*(up|gate)_proj": W4A4, r"model\.layers\.2\..*o_proj": W4A4}
    of_model = model(num_hidden_layers=3)
    found = search_rotations(of_model, recipe(given), tokens())
    names = ["o_proj", "gate_proj", "up_proj"]
    assert said(found) == without_shortcuts(given, [names], num_hidden_layers=3)[1]
    assert found.winners[0] != "o_proj"  # which is tried again behind another layer 1
    assert "o_proj" in found.rounds[1].tried


def test_progress_counts_layers_up_to_their_number() -> None:
    steps: list[tuple[str, int, int]] = []
    found = search_rotations(
        model(), recipe(FEW), tokens(), progress=lambda *step: steps.append(step)
    )
    assert steps[0] == (found.begun, 0, 0)
    for number, each in enumerate(found.rounds, start=1):
        mine = [step for step in steps if step[0].startswith(f"round {number}, all layers: ")]
        total = mine[0][2]
        assert [step[1:] for step in mine] == [(done, total) for done in range(1, total + 1)]
        shown = list(dict.fromkeys(what.partition(": ")[2] for what, _, _ in mine))
        assert shown == ["without them"] * (number == 1) + list(each.tried)


# --------------------------------------------------------------------- what comes out of it


@torch.no_grad()
@pytest.mark.parametrize("numerics", ["fake", "exact"])
@pytest.mark.parametrize("per_layer", [False, True])
def test_a_found_recipe_is_one_that_a_hand_can_write(numerics: str, per_layer: bool) -> None:
    search = recipe(FEW, {"size": 16}, per_layer=per_layer)
    found = search_rotations(model(), search, tokens())
    assert found.winners
    by_hand = {**FEW, "rotation": {"size": 16, "online": list(found.winners)}}
    assert found.recipe.tables == by_hand
    assert read_quant_config(found.recipe.tables) == found.recipe
    logits = []
    for given in (found.recipe, read_quant_config(by_hand)):
        quantised, _ = quantize_module_transform_pass(model(), given, numerics=numerics)
        logits.append(quantised(tokens()).logits)
    assert torch.equal(*logits)
    plain = quantize_module_transform_pass(model(), read_quant_config(FEW), numerics=numerics)[0]
    assert not torch.equal(plain(tokens()).logits, logits[0])


def test_a_recipe_found_with_dequant_runs_in_fake_numerics_only() -> None:
    found = search_rotations(model(), recipe(FEW, {"semantics": "dequant"}), tokens())
    assert found.winners
    quantised, _ = quantize_module_transform_pass(model(), found.recipe)
    measured = evaluate_perplexity(quantised, tokens(), seqlen=20).token_perplexity
    assert measured == found.perplexity
    with pytest.raises(FormatError, match='semantics = "dequant" rotates operands back'):
        quantize_module_transform_pass(model(), found.recipe, numerics="exact")


def test_own_rotations_stay_in_the_found_recipe() -> None:
    own = {"r4": True, "online": ["model.layers.1.self_attn.o_proj"], "size": 8}
    found = search_rotations(model(), recipe(FEW, own), tokens())
    online = ["model.layers.1.self_attn.o_proj", *found.winners]
    assert found.recipe.tables["rotation"] == {**own, "online": online}
    assert "rotation_search" not in found.recipe.tables


def test_a_search_that_finds_nothing_leaves_the_recipe_as_it_is() -> None:
    found = search_rotations(model(), recipe(FEW, improvement_eps=1e9), tokens())
    assert found.recipe == read_quant_config(FEW)
