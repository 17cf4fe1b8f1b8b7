"""Every wrong recipe is one FormatError that names file, table, key and the nearest known key."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim import golden
from plena_cosim.passes import load_quant_config


def read(tmp_path: Path, text: str):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return load_quant_config(path)


WHERE = r"recipe\.toml \[linear\]: "
W4 = "weight_block_size = 32\nweight_width = 4\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            'name = "mxint"\nweight_widht = 4',
            WHERE + "unknown key 'weight_widht'; known: name, "
            "bypass, type, optional, weight_block_size.*Did you mean 'weight_width'",
        ),
        (
            'name = "mxint"\nweight_exponent_width = 2\nweight_frac_width = 1\n'
            "weight_block_size = 32",
            WHERE + "name = 'mxint', but weight_block_size, weight_exponent_width, "
            "weight_frac_width are keys of mxfp; change the name or the keys",
        ),
        ('name = "mxfp"\n' + W4, "name = 'mxfp', but .* are keys of mxint"),
        (
            'name = "mxint"\n' + W4 + "weight_frac_width = 1",
            "weight: weight_frac_width does not belong to mxint, which takes weight_block_size, "
            "weight_width",
        ),
        (
            'name = "mxnit"',
            WHERE
            + "unknown format 'mxnit'; known: mxint, mxfp, mxint_rotate, mxfp_rotate, minifloat",
        ),
        (
            "weight_width = 4",
            WHERE
            + "key 'name' is missing; known: mxint, mxfp, mxint_rotate, mxfp_rotate, minifloat",
        ),
        ("name = [3]", WHERE + r"unknown format \[3\]"),
        ('name = "mxint"\nweight_width = "4"', "weight_width must be a valid integer, got '4'"),
        ('name = "mxint"\nweight_width = 4.0', "weight_width must be a valid integer, got 4.0"),
        ('name = "mxint"\nweight_width = true', "weight_width must be a valid integer, got True"),
        (
            'name = "mxint"\nweight_width = 4',
            "weight: weight_width given without weight_block_size",
        ),
        (
            'name = "mxfp"\nweight_exponent_width = 2\nweight_frac_width = 1',
            "weight: weight_exponent_width, weight_frac_width given without weight_block_size",
        ),
        (
            'name = "mxfp"\ndata_in_frac_width = 1',
            "data_in: data_in_frac_width given without data_in_exponent_width",
        ),
        (
            'name = "mxint"\n' + W4 + "data_in_exponent_width = 2\ndata_in_frac_width = 1",
            "data_in_exponent_width, data_in_frac_width given without data_in_block_size",
        ),
        (
            'name = "mxint"\nweight_width = 17\nweight_block_size = 32',
            "weight: mxint: width must be an integer in 2..16, got 17",
        ),
        (
            'name = "mxint"\nweight_width = 4\nweight_block_size = 0',
            r"block_size must be an integer in 1\.\.\d+, got 0",
        ),
        (
            'name = "mxfp"\nbias_exponent_width = 6\nbias_frac_width = 1\nbias_block_size = 32',
            "bias: mxfp: exponent width must be an integer in 1..5, got 6",
        ),
        (
            'name = "minifloat"\ndata_in_exponent_width = 9\ndata_in_frac_width = 1',
            "data_in: Minifloat: exp_bits must be an integer in 1..8, got 9",
        ),
        (
            'name = "minifloat"\ndata_in_exponent_width = 1\ndata_in_frac_width = 1\n'
            "data_in_is_finite = false",
            "data_in: Minifloat: specials 'ieee' needs exp_bits >= 2",
        ),
        ('name = "minifloat"\nweight_width = 4', "unknown key 'weight_width'"),
        ('name = "minifloat"\nbias_frac_width = 4', "unknown key 'bias_frac_width'"),
        ('name = "minifloat"\ngptq = true', "unknown key 'gptq'"),
        (
            'name = "minifloat"\ndata_in_exponent_width = 4\ndata_in_frac_width = 3\n'
            'data_in_round_mode = "up"',
            "data_in: data_in_round_mode = 'up' is unknown; known: rn, rd, ru, rz",
        ),
        (
            'name = "mxint"\n' + W4 + 'data_in_round_mode = "rz"',
            "data_in: data_in_round_mode given without data_in_block_size, data_in_width",
        ),
        (
            'name = "mxint"\ndata_in_block_size = 32\ndata_in_width = 4\ndata_in_is_finite = false',
            "data_in: is_finite = false is for scalar formats only",
        ),
        (
            'name = "mxint"\n' + W4 + 'weight_scale_rule = "flor"',
            "weight: unknown scale rule 'flor'; known: floor, .* Did you mean 'floor'",
        ),
        (
            'name = "mxint"\n' + W4 + "data_in_symmetric = false",
            "data_in: data_in_symmetric given without data_in_block_size, data_in_width",
        ),
        (
            'name = "mxfp"\nweight_block_size = 32\nweight_exponent_width = 2\n'
            "weight_frac_width = 1\nweight_symmetric = false",
            "weight: weight_symmetric is for MXINT only",
        ),
        (
            'name = "mxint"\ndata_in_exponent_width = 4\ndata_in_frac_width = 3\n'
            'data_in_scale_rule = "floor"',
            "data_in: data_in_scale_rule is for block formats only",
        ),
        ('name = "minifloat"\nweight_scale_rule = "floor"', "unknown key 'weight_scale_rule'"),
        ('name = "mxint"', "quantises nothing; give weight_, data_in_ or bias_ keys, a sub-table"),
        ('name = "mxint"\nbypass = 1', "bypass must be a valid boolean, got 1"),
        (
            'name = "mxint"\n[linear.qk_matmul]\ndata_in_width = 4',
            WHERE + "qk_matmul: data_in_width given without data_in_block_size",
        ),
        (
            'name = "mxint"\n[linear.qk_matmul]\ndata_in_widht = 4',
            WHERE + r"unknown key 'qk_matmul\.data_in_widht'; known: bypass, .*'data_in_width'",
        ),
        (
            'name = "mxint"\n[linear.rope]\ndata_in_width = 4',
            r"unknown key 'rope\.data_in_width'; known: bypass, data_in_exponent_width",
        ),
        (
            'name = "mxint"\n[linear.softmax]\n',
            "softmax: quantises nothing; give data_in_ keys or bypass = true",
        ),
        (
            'name = "mxint"\n[linear.kv_cache]\nposition = "pre_rope"',
            "kv_cache: quantises nothing",
        ),
        (
            'name = "mxint"\n[linear.kv_cache]\nbypass = true\nposition = "prerope"',
            "kv_cache.position must be 'post_rope' or 'pre_rope', got 'prerope'",
        ),
        ('name = "mxint"\nkv_cach = { bypass = true }', "'kv_cach'.*Did you mean 'kv_cache'"),
        ('name = "mxint"\nkv_cache = 3', "kv_cache must be a table, got 3"),
        (
            'name = "mxint"\n' + W4 + "gptq = true",
            WHERE + r"gptq = true, but the recipe has no \[gptq\] table",
        ),
        (
            'name = "mxint"\n' + W4 + "clip_search = [0.5, 1.5]",
            r"clip_search must be true, false or shares in \(0, 1\], got \[0.5, 1.5\]",
        ),
        ('name = "mxint"\n' + W4 + "clip_search = []", r"clip_search must be .* got \[\]"),
        ('name = "mxint"\n' + W4 + "clip_search = [nan]", r"clip_search must be .* got \[nan\]"),
        (
            'name = "mxint"\n' + W4 + 'clip_search = "fine"',
            "clip_search must be a valid boolean or a valid list, got 'fine'",
        ),
        (
            'name = "mxint"\ndata_in_block_size = 32\ndata_in_width = 4\nclip_search = true',
            "clip_search is about the weight, but there are no weight_ keys",
        ),
        (
            'name = "mxint"\n' + W4 + "gptq = true\nclip_search = true",
            "gptq and clip_search exclude each other",
        ),
        (
            'name = "mxint"\n' + W4 + "online_rotate = 22",
            r"online_rotate must be true, false or a power of two or K \* 2\^r "
            r"\(K = 12, 20, 28 … 172\) from 2 \(nearest: 20, 24\), got 22",
        ),
        ('name = "mxint"\n' + W4 + "online_rotate = 1", r"from 2 \(nearest: 2\), got 1"),
        (
            'name = "mxint"\n[linear.kv_cache]\ndata_in_width = 4\ndata_in_block_size = 32\n'
            "online_rotate = 3",
            WHERE + r"kv_cache: online_rotate must be true, .* \(nearest: 2, 4\), got 3",
        ),
        (
            'name = "mxint"\n[linear.qk_matmul]\nonline_rotate = true',
            "qk_matmul: quantises nothing; give data_in_ keys or bypass = true",
        ),
        (
            'name = "mxint"\n[linear.softmax]\nonline_rotate = true',
            r"unknown key 'softmax\.online_rotate'; known: bypass",
        ),
    ],
)
def test_a_bad_table_is_named_with_its_key(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(golden.FormatError, match=message):
        read(tmp_path, f'by = "type"\n[linear]\n{body}\n')


GOOD = '[linear]\nname = "mxint"\nweight_width = 4\nweight_block_size = 32\n'
GPTQ = '[gptq]\nmodel_name = "m"\nformat = "mxint"\n'
WEIGHTS = "[gptq.weight_config]\nweight_block_size = 32\nweight_width = 4\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("by = regex\n", r"quantisation recipe .*recipe\.toml is not valid TOML: .*line 1"),
        ('by = "regex"\n' + GOOD, "by = 'regex' is unknown; allowed: .*Did you mean 'regex_name'"),
        ("by = {}\n" + GOOD, "by = {} is unknown; allowed"),
        ('numerics = {}\n', "no selector; give one table for each group of modules"),
        ('by = "type"\nseed = 3\n' + GOOD, "unknown key 'seed'; known: by, exclude"),
        ('exclud = ["a"]\n' + GOOD, "unknown key 'exclud'.*Did you mean 'exclude'"),
        ('["("]\nname = "mxint"\n', r"\[\(\]: not a regular expression"),
        ('exclude = "a"\n' + GOOD, "exclude must be a list of texts, got 'a'"),
        ('exclude = [3]\n' + GOOD, r"exclude must be a list of texts, got \[3\]"),
        ('exclude = ["("]\n' + GOOD, r"exclude '\(': not a regular expression"),
        (GOOD + "[numerics]\nscale = 3\n",
         r"\[numerics\]: unknown key 'scale'; known: profile.*Did you mean 'scale_rule'"),
        (GOOD + '[numerics]\nscale_rule = "flor"\n',
         r"\[numerics\]: unknown scale rule 'flor'; known: floor.*Did you mean 'floor'"),
        (GOOD + '[numerics]\nprofile = "mx"\n',
         r"\[numerics\]: profile must be 'ocp' or 'mase', got 'mx'"),
        (GOOD + "[numerics]\nscale_bits = 9\n", r"\[numerics\]: Mx: scale_bits must be .*2..8"),
        ('[a]\nname = "minifloat"\ndata_in_exponent_width = 4\ndata_in_frac_width = 3\n'
         '[numerics]\nrounding = "stochastic"\n', "stochastic rounding is for block formats only"),
        (GOOD + "[hardware]\nconfg = 3\n", r"\[hardware\]: unknown key 'confg'.*'config'"),
        (GOOD + '[hardware]\nconfig = "no.toml"\n',
         r"\[hardware\]: hardware config .*no.toml does not exist"),
        (GOOD + '[hardware]\nconfig = "\\u0000"\n', r"\[hardware\]: embedded null"),
        (GOOD + '[hardware]\nconfig = "a"\nformats = {}\n', "give config, or dimensions and form"),
        (GOOD + "[hardware]\ndimensions = { mlen = 0 }\n",
         r"\[hardware\]: HardwareConfig: mlen must be a positive integer, got 0"),
        (GOOD + "[defaults]\nweigth_width = 4\n",
         r"\[defaults\]: unknown key 'weigth_width'.*Did you mean 'weight_width'"),
        (GOOD + "[defaults]\nbypass = true\n", r"\[defaults\]: unknown key 'bypass'"),
        (GOOD + "[defaults]\nweight_exponent_width = 2\n",
         r"\[defaults\]: no selector takes weight_exponent_width; remove it"),
        ("defaults = 3\n" + GOOD, r"\[defaults\]: must be a table, got 3"),
        (GPTQ + GOOD, r"\[gptq\]: key 'weight_config' is missing"),
        ("[gptq]\n" + GOOD, r"\[gptq\]: key 'model_name' is missing"),
        (GPTQ + "nsample = 3\n" + WEIGHTS + GOOD,
         r"\[gptq\]: unknown key 'nsample'.*Did you mean 'nsamples'"),
        (GPTQ + 'dataset = "wiki"\n' + WEIGHTS + GOOD,
         "dataset must be 'wikitext2', 'c4', 'ptb', 'demo', 'file:PATH' or 'tokens:PATH', got 'w"),
        (GPTQ + 'dataset = "tokens:"\n' + WEIGHTS + GOOD,
         "dataset must be 'wikitext2', .* or 'tokens:PATH', got 'tokens:'"),
        (GPTQ + "seed = -1\n" + WEIGHTS, "seed must be greater than or equal to 0, got -1"),
        ('[rotation_search]\ncalib_data = "pbt"\n' + GOOD,
         "calib_data must be 'wikitext2', .*, got 'pbt'. Did you mean 'ptb'"),
        (GPTQ + "nsamples = 0\n" + WEIGHTS, "nsamples must be greater than or equal to 1, got 0"),
        (GPTQ + WEIGHTS.replace("width", "widht"),
         r"unknown key 'weight_config\.weight_widht'; known: weight_block_size"),
        (GPTQ + "[gptq.weight_config]\nweight_width = 4\n",
         r"key 'weight_config\.weight_block_size' is missing"),
        (GPTQ + WEIGHTS.replace("weight_width = 4", ""),
         r"\[gptq.weight_config\]: weight_block_size given without weight_width"),
        (GPTQ.replace("mxint", "mxfp") + WEIGHTS, "weight_width does not belong to mxfp"),
        (GPTQ + WEIGHTS + GOOD.replace("4", "3") + "gptq = true\n",
         r"\[linear\]: gptq = true, but the weight is mxint3/32 \(scale rule floor\) and "
         r"\[gptq.weight_config\] calibrates mxint4/32 \(scale rule floor\); give both the same"),
        (GPTQ + WEIGHTS + "weight_symmetric = false\n" + GOOD + "gptq = true\n",
         r"the weight is mxint4/32 \(scale rule floor\) and \[gptq.weight_config\] calibrates "
         r"mxint4/32 \(scale rule floor, full range\)"),
        ('[rotation_search]\nmatmul_types = ["q_porj"]\n' + GOOD,
         "matmul_types must be 'q_proj', .* got 'q_porj'. Did you mean 'q_proj'"),
        ("[rotation_search]\nimprovement_eps = -1\n" + GOOD, "improvement_eps must be greater"),
        ("[rotation_search]\nimprovement_eps = nan\n" + GOOD, "improvement_eps must be"),
        (GOOD + "[rotation]\nr5 = true\n",
         r"\[rotation\]: unknown key 'r5'; known: r1, r2, r3, r4, online_rotate, online, size"),
        (GOOD + "[rotation]\nsizes = 4\n", r"\[rotation\]: .*'sizes'.*Did you mean 'size'"),
        (GOOD + "[rotation]\nr1 = 1\n", r"\[rotation\]: r1 must be a valid boolean, got 1"),
        (GOOD + "[rotation]\nsize = 50\n",
         r"\[rotation\]: size must be a power of two or K .* from 2 \(nearest: 48, 52\), got 50"),
        (GOOD + "[rotation]\nsize = 1\n",
         r"size must be a power of two or K .* from 2 \(nearest: 2\), got 1"),
        (GOOD + "[rotation]\nsize = true\n", "size must be a valid integer, got True"),
        (GOOD + "[rotation]\nseed = -1\n", "seed must be greater than or equal to 0, got -1"),
        (GOOD + '[rotation]\nonline = "o_proj"\n', "online must be a valid list, got 'o_proj'"),
        (GOOD + "[rotation]\nonline = [3]\n", "online must be a valid string, got 3"),
        (GOOD + '[rotation]\nsemantics = "fuse"\n',
         "semantics must be 'fused' or 'dequant', got 'fuse'. Did you mean 'fused'"),
        ("rotation = 3\n" + GOOD, r"\[rotation\]: must be a table, got 3"),
        ("[rotation]\nr4 = true\n", "no selector; give one table for each group"),
        (GOOD + '[scaling]\nmethod = "awk"\n',
         r"\[scaling\]: method must be 'balance', 'smoothquant', 'awq' or 'autosmoothquant', "
            r"got 'awk'. "
         "Did you mean 'awq'"),
        (GOOD + "[scaling]\nalpha = 0.5\n", r"\[scaling\]: key 'method' is missing"),
        (GOOD + '[scaling]\nmethod = "awq"\nalpha = 0.5\n',
         r'\[scaling\]: alpha belongs to method = "smoothquant", got method = "awq"; remove one'),
        (GOOD + '[scaling]\nmethod = "smoothquant"\ngrid = 5\n',
         r'\[scaling\]: grid belongs to method = "awq", got method = "smoothquant"'),
        (GOOD + '[scaling]\nmethod = "smoothquant"\nalpha = 1.5\n',
         r"\[scaling\]: alpha must be less than or equal to 1, got 1.5"),
        (GOOD + '[scaling]\nmethod = "awq"\ngrid = 0\n', r"grid must be greater than or equal"),
        ('[phase]\nkv_handover = "kep"\n' + GOOD,
         r"\[phase\]: kv_handover must be 'keep' or 'requantize', got 'kep'. Did you mean 'keep'"),
        ("[phase.prefil.a]\n" + GOOD, r"\[phase\]: unknown key 'prefil'.*Did you mean 'prefill'"),
        ("[phase]\nprefill = 3\n" + GOOD, r"\[phase.prefill\]: must be a table, got 3"),
        ("[phase.decode]\na = 3\n" + GOOD, r"unknown key 'phase\.decode\.a'; give one table a"),
        ('[phase.decode.a]\nname = "mxin"\n' + GOOD, r"\[phase.decode.a\]: unknown format 'mxin'"),
        (GOOD + '[numeric]\nprofile = "mase"\n',
         r"\[numeric\]: neither a known table nor a selector with a name. Did you mean 'numerics'"),
        ("phase = 3\n" + GOOD, r"\[phase\]: must be a table, got 3"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(golden.FormatError, match=message) as caught:
        read(tmp_path, text)
    assert "toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(golden.FormatError, match=r"nowhere\.toml does not exist"):
        load_quant_config(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(golden.FormatError, match=r"binary\.toml is not valid TOML"):
        load_quant_config(tmp_path / "binary.toml")
    with pytest.raises(golden.FormatError, match="Is a directory"):
        load_quant_config(tmp_path)
