"""A recipe's selectors choose modules of every kind; whatever does not fit is named."""

from __future__ import annotations

import pytest
from torch import nn

from plena_cosim import golden
from plena_cosim.passes import Phase
from plena_cosim.passes.plan.match import choose
from plena_cosim.passes.recipe.load import read_quant_config

from ..recipes import IN8

W4 = {"name": "mxint", "weight_block_size": 16, "weight_width": 4}
W8 = {**W4, "weight_width": 8}
CACHE = {"name": "mxint", "kv_cache": IN8}
NORM = {"name": "minifloat", "weight_exponent_width": 3, "weight_frac_width": 4}
SILU = {"name": "minifloat", "data_in_exponent_width": 3, "data_in_frac_width": 4}
LAYER = r"model\.layers\.\d+\."


def chosen(model: nn.Module, now: Phase | None = None, **recipe) -> dict[str, str]:
    """Return the key of the selector of each module."""
    found = choose(model, read_quant_config(recipe), now)
    return {name: selector.key for name, selector in found.items()}


def test_every_kind_of_module_of_a_llama(llama) -> None:
    recipe = {
        LAYER + "self_attn": CACHE,
        LAYER + r"self_attn\.(q|k|v|o)_proj": W4,
        LAYER + "mlp": SILU,
        LAYER + r"mlp\.(gate|up|down)_proj": W4,
        LAYER + "(input|post_attention)_layernorm": NORM,
        r"model\.norm": NORM,
        r"model\.embed_tokens": W8,
        "lm_head": W8,
    }
    found = choose(llama(), read_quant_config(recipe))
    assert len(found) == 2 * (1 + 4 + 1 + 3 + 2) + 3
    assert set(recipe) == {selector.key for selector in found.values()}
    attention = found["model.layers.1.self_attn"].formats
    assert attention.attention.kv_cache == golden.get_format("mxint8", block_size=16)
    assert found["lm_head"].formats.weight == golden.get_format("mxint8", block_size=16)
    names = [name for name, _ in llama().named_modules()]
    assert list(found) == sorted(found, key=names.index)


def test_the_whole_name_counts_and_an_end_anchor_is_harmless(llama) -> None:
    with_anchor = chosen(llama(), **{LAYER + "self_attn$": CACHE})
    assert with_anchor.keys() == chosen(llama(), **{LAYER + "self_attn": CACHE}).keys()
    assert len(with_anchor) == 2


def test_the_first_selector_wins(llama) -> None:
    found = chosen(
        llama(),
        **{
            r"model\.layers\.0\.self_attn\..*": W8,
            LAYER + r"self_attn\.(q|k)_proj": W4,
        },
    )
    assert found == {
        **{f"model.layers.0.self_attn.{role}_proj": r"model\.layers\.0\.self_attn\..*"
           for role in "qkvo"},
        **{f"model.layers.1.self_attn.{role}_proj": LAYER + r"self_attn\.(q|k)_proj"
           for role in "qk"},
    }  # fmt: skip


def test_by_name_glob_and_type(llama) -> None:
    assert set(chosen(llama(), by="name", lm_head=W4)) == {"lm_head"}
    found = chosen(llama(), by="glob", **{"model.layers.*.mlp.*_proj": W4, "*.1.*.?_proj": W8})
    assert len(found) == 6 + 4
    found = chosen(llama(), by="type", linear=W4, LlamaRMSNorm=NORM, llamaattention=CACHE)
    assert len(found) == 15 + 5 + 2


def test_by_glob_for_the_name_or_the_class(llama) -> None:
    recipe = {"*.0.mlp.up_proj": W8, "Lin*": W4, "Llama?MSNorm": NORM, "lm_head": {**W8}}
    recipe["lm_head"]["optional"] = True
    found = chosen(llama(), by="glob_or_type", **recipe)
    assert found.pop("model.layers.0.mlp.up_proj") == "*.0.mlp.up_proj"
    assert list(found.values()).count("Lin*") == 14
    assert list(found.values()).count("Llama?MSNorm") == 5
    assert "lm_head" not in found.values()


def test_a_bypass_takes_its_modules_out(llama) -> None:
    recipe = {"lm_head": {"name": "mxint", "bypass": True}, LAYER + "self_attn.q_proj": W4}
    assert len(chosen(llama(), **recipe)) == 2
    recipe = {r"model\.layers\.0\..*": {"name": "mxint", "bypass": True}, LAYER + "mlp": SILU}
    assert set(chosen(llama(), **recipe)) == {"model.layers.1.mlp"}


def test_an_exclusion_takes_modules_out_with_all_inside(llama) -> None:
    found = chosen(llama(), by="type", exclude=["Embedding"], linear=W4)
    assert len(found) == 15
    found = chosen(
        llama(),
        exclude=[r"model\.layers\.0", "lm_head"],
        **{LAYER + r".*_proj": W4, LAYER + "self_attn": CACHE},
    )
    assert len(found) == 8
    assert all(name.startswith("model.layers.1.") for name in found)


def test_phases_come_before_the_file_and_change_nothing_else(llama) -> None:
    recipe = {
        LAYER + r"self_attn\.(q|k)_proj": W4,
        "lm_head": W4,
        "phase": {"decode": {"lm_head": W8, r"model\.layers\.1\.self_attn\.k_proj": {
            "name": "mxint", "bypass": True}}},
    }  # fmt: skip
    read = read_quant_config(recipe)
    base, prefill = choose(llama(), read), choose(llama(), read, Phase.PREFILL)
    decode = choose(llama(), read, Phase.DECODE)
    assert base == prefill
    assert set(base) - set(decode) == {"model.layers.1.self_attn.k_proj"}
    assert decode["lm_head"].formats.weight.name == "mxint8"
    same = set(decode) - {"lm_head"}
    assert all(decode[name] == base[name] for name in same)


def test_a_phase_may_take_all_that_a_selector_matches(llama) -> None:
    recipe = {"lm_head": W4, "phase": {"prefill": {"lm_head": W8}, "decode": {"lm_head": W8}}}
    assert set(chosen(llama(), Phase.DECODE, **recipe)) == {"lm_head"}


def test_defaults_that_a_kind_does_not_take_are_dropped(llama) -> None:
    recipe = {
        "defaults": {
            **W4, **IN8, "online_rotate": True, "clip_search": True, "kv_cache": IN8
        },
        r"model\.embed_tokens": {},
        "lm_head": {},
        LAYER + "self_attn": {},
    }  # fmt: skip
    found = choose(llama(), read_quant_config(recipe))
    embedding, head = found["model.embed_tokens"], found["lm_head"]
    attention = found["model.layers.0.self_attn"]
    assert embedding.formats.data_in is None
    assert (embedding.online_rotate, embedding.clip_search) == (None, ())
    assert head.formats.data_in is not None
    assert head.formats.attention.kv_cache is None
    assert (head.online_rotate, len(head.clip_search)) == (-1, 11)
    assert attention.formats.weight is None
    assert attention.formats.attention.kv_cache is not None


class Experts(nn.Module):
    """Fused experts, with a linear layer inside to see that it is not chosen on its own."""

    def __init__(self) -> None:
        super().__init__()
        self.gate_up_proj = nn.Parameter(nn.init.zeros_(nn.Linear(8, 64).weight).reshape(4, 16, 8))
        self.inner = nn.Linear(8, 8)


def test_nothing_inside_chosen_experts_is_chosen_on_its_own() -> None:
    model = nn.ModuleDict({"experts": Experts(), "head": nn.Linear(8, 8)})
    assert set(chosen(model, **{"experts|experts.inner|head": W4})) == {"experts", "head"}
    assert set(chosen(model, **{"experts.inner": W4})) == {"experts.inner"}


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (
            {LAYER + "self_atn": CACHE},
            r"self_atn\]: matches no module of the model \(the whole name counts, such as 'model'\)"
            r"\. Did you mean 'model.layers.0.self_attn'",
        ),
        ({"self_attn": CACHE}, "matches no module"),
        ({"by": "glob", "model.layers.*.mpl": SILU}, "Did you mean 'model.layers.0.mlp'"),
        (
            {"by": "glob_or_type", "linear": W4},
            r"matches no module .*, nor a class of it \(.*Linear.*\)\. Did you mean 'Linear'",
        ),
        ({"by": "type", "LlamaAttn": CACHE}, "the model has .*Did you mean 'LlamaAttention'"),
        (
            {LAYER[:-2]: W4},
            r"matches 'model.layers.0' \(LlamaDecoderLayer\), but a recipe changes only these "
            "kinds of modules: linear layer, embedding, attention, normalisation, experts, MLP",
        ),
        (
            {"exclude": ["lm_haed"], "lm_head": W4},
            "exclude 'lm_haed': matches no module.*'lm_head'",
        ),
        (
            {"exclude": [r"model\.rotary_emb"], "lm_head": W4},
            r"exclude .*matches 'model.rotary_emb' \(LlamaRotaryEmbedding\), but a recipe changes",
        ),
        (
            {"exclude": ["lm_head"], "lm_head": W4},
            r"\[lm_head\]: all that it matches \('lm_head' …\) is taken by exclude 'lm_head'",
        ),
        (
            {LAYER + ".*_proj": W4, LAYER + "mlp.up_proj": W8},
            r"mlp.up_proj\]: all that it matches .* is taken by \[model.*_proj\] before it; put "
            "it first or remove it",
        ),
        (
            {"lm_head": CACHE},
            r"\[lm_head\]: matches 'lm_head' \(linear layer\), which takes weight_ keys in mxint "
            "or mxfp, data_in_ keys in mxint or mxfp, bias_ .*; kv_cache cannot be given",
        ),
        ({"lm_head": NORM}, "linear layer.*; weight is e3m4"),
        (
            {"lm_head": {**W4, "rope": {"bypass": True}}},
            "linear layer.*; rope cannot be given",
        ),
        (
            {r"model\.embed_tokens": {**W4, **IN8}},
            r"\(embedding\), which takes weight_ keys in mxint or mxfp, with name = .spec. weight; "
            "data_in cannot be given",
        ),
        ({r"model\.embed_tokens": {**W4, "online_rotate": 16}}, "online_rotate cannot be given"),
        (
            {r"model\.norm": W4},
            r"\(normalisation\), which takes weight_ keys in minifloat, data_in_ keys in "
            "minifloat; weight is mxint4",
        ),
        (
            {LAYER + "mlp": {**SILU, **NORM}},
            r"\(MLP\), which takes data_in_ keys in minifloat; wei",
        ),
        ({LAYER + "mlp": {"name": "mxint", **IN8}}, r"\(MLP\).*; data_in is mxint8"),
        (
            {LAYER + "self_attn": W4},
            r"\(attention\), which takes the sub-tables qk_matmul, av_matmul, rope, softmax, "
            "kv_cache, with name = .spec. softmax_out; weight cannot be given",
        ),
        (
            {"defaults": IN8, r"model\.embed_tokens": {"name": "mxint"}},
            r"\(embedding\).*; the table and \[defaults\] give none of these",
        ),
        (
            {"defaults": W4, LAYER + "self_attn": {}},
            r"\(attention\).*; the table and \[defaults\] give none of these",
        ),
        (
            {"lm_head": W4, "phase": {"decode": {"lm_haed": W4}}},
            r"\[phase.decode.lm_haed\]: matches no module",
        ),
        (
            {"lm_head": W4, "phase": {"decode": {"lm_head": W4, "lm_h.*": W8}}},
            r"\[phase.decode.lm_h.\*\]: all that .* is taken by \[phase.decode.lm_head\]",
        ),
    ],
)
def test_what_does_not_fit_is_named(llama, recipe, message) -> None:
    with pytest.raises(golden.FormatError, match=message):
        choose(llama(), read_quant_config(recipe), Phase.DECODE)


SPEC = {"name": "spec", "weight": {"element": "int8"}}


def test_type_narrows_what_a_pattern_matches(llama) -> None:
    found = chosen(llama(), by="glob", **{"*": {**SPEC, "type": ["Linear", "embedding"]}})
    assert {name.rpartition(".")[2] for name in found} == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        *("lm_head", "embed_tokens"),
    }
    with pytest.raises(golden.FormatError, match=r"matches no Conv2d, only .*Linear"):
        chosen(llama(), by="glob", **{"*": {**SPEC, "type": "Conv2d"}})


def test_a_list_of_tables_is_tried_in_order(llama) -> None:
    first = {**SPEC, "type": "Embedding"}
    second = {"name": "spec", "type": "Linear", "weight": {"element": "int4"}}
    model = llama()
    found = choose(model, read_quant_config({"by": "glob", "*": [first, second]}))
    assert found["model.embed_tokens"].name == "* 1"
    assert found["lm_head"].name == "* 2"
    with pytest.raises(golden.FormatError, match=r"\[\* 2\]: all that it matches .* by \[\* 1\]"):
        choose(model, read_quant_config({"by": "glob", "*": [second, second]}))
    choose(model, read_quant_config({"by": "glob", "*": [second, {**second, "optional": True}]}))


def test_an_optional_selector_may_match_nothing(llama) -> None:
    missing = {"experts": SPEC, "lm_head": SPEC, "by": "name"}
    with pytest.raises(golden.FormatError, match=r"\[experts\]: matches no module"):
        chosen(llama(), **missing)
    assert chosen(llama(), **{**missing, "experts": {**SPEC, "optional": True}}) == {
        "lm_head": "lm_head"
    }


def test_spec_roles_fit_the_kind(llama) -> None:
    with pytest.raises(golden.FormatError, match=r'embedding.* with name = "spec" weight; data_in'):
        chosen(llama(), by="name", **{"model.embed_tokens": {**SPEC, "data_in": SPEC["weight"]}})
    with pytest.raises(golden.FormatError, match=r"softmax_out; weight cannot be given"):
        chosen(llama(), **{LAYER + "self_attn": SPEC})
