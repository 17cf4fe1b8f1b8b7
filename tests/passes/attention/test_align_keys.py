"""Keys that nobody attends are cleared, and the first that is attended comes to place 0."""

from __future__ import annotations

import torch

from plena_cosim.passes.attention.align_keys import align


def keys(batch: int = 2, count: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.arange(1.0, batch * count + 1).view(batch, 1, count, 1)
    return x.expand(batch, 2, count, 3).clone(), 10 * x.expand(batch, 2, count, 4)


def mask(*rows: str) -> torch.Tensor:
    """One query a sequence: '1' where it attends."""
    return torch.tensor([[[[c == "1" for c in row]]] for row in rows])


def test_nothing_changes_where_all_are_attended() -> None:
    k, v = keys()
    for allowed in (None, mask("11111", "11111"), torch.ones(2, 1, 5, 5).tril().bool()):
        found = align(k, v, allowed)
        assert found[0] is k
        assert found[1] is v
        assert found[2] is allowed


def test_padding_on_the_right_is_cleared() -> None:
    k, v = keys()
    found = align(k, v, mask("11111", "11100"))
    assert found[0][:, 0, :, 0].tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 0, 0]]
    assert found[1][:, 1, :, 2].tolist() == [[10, 20, 30, 40, 50], [60, 70, 80, 0, 0]]
    assert torch.equal(found[2], mask("11111", "11100"))


def test_padding_on_the_left_is_turned_to_the_end() -> None:
    k, v = keys()
    found = align(k, v, mask("11111", "00111"))
    assert found[0][:, 1, :, 2].tolist() == [[1, 2, 3, 4, 5], [8, 9, 10, 0, 0]]
    assert found[1][:, 0, :, 3].tolist() == [[10, 20, 30, 40, 50], [80, 90, 100, 0, 0]]
    assert torch.equal(found[2], mask("11111", "11100"))


def test_each_sequence_turns_by_its_own_padding_and_keeps_its_queries() -> None:
    k, v = keys(batch=3)
    allowed = torch.stack([torch.ones(2, 5).tril(3).bool()] * 3)[:, None]
    allowed[1, :, :, :1] = allowed[2, :, :, :2] = False
    found = align(k, v, allowed)
    assert found[0][:, 0, :, 0].tolist() == [[1, 2, 3, 4, 5], [7, 8, 9, 10, 0], [13, 14, 15, 0, 0]]
    assert found[2][1, 0].int().tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]
    assert found[2][2, 0].int().tolist() == [[1, 1, 0, 0, 0], [1, 1, 1, 0, 0]]


def test_one_mask_serves_a_batch() -> None:
    k, v = keys()
    found = align(k, v, mask("01110"))
    assert found[0][:, 0, :, 0].tolist() == [[2, 3, 4, 0, 0], [7, 8, 9, 0, 0]]
    assert found[1][:, 0, :, 0].tolist() == [[20, 30, 40, 0, 0], [70, 80, 90, 0, 0]]
    assert torch.equal(found[2], mask("11100"))


def test_a_key_counts_where_any_head_or_query_attends_it() -> None:
    k, v = keys(batch=1)
    allowed = torch.zeros(1, 2, 2, 5, dtype=torch.bool)
    allowed[0, 0, 0, 1] = allowed[0, 1, 1, 3] = True
    found = align(k, v, allowed)
    assert found[0][0, 0, :, 0].tolist() == [2, 0, 4, 0, 0]
    assert found[2][0, 0, 0].int().tolist() == [1, 0, 0, 0, 0]
    assert found[2][0, 1, 1].int().tolist() == [0, 0, 1, 0, 0]


def test_nobody_attends_anything() -> None:
    k, v = keys(batch=1)
    found = align(k, v, mask("00000"))
    assert not found[0].any()
    assert not found[1].any()


def test_no_input_is_changed() -> None:
    k, v = keys()
    before = k.clone(), v.clone()
    align(k, v, mask("11111", "00110"))
    assert torch.equal(k, before[0])
    assert torch.equal(v, before[1])


def test_a_bias_goes_with_its_keys() -> None:
    k, v = keys()
    bias = torch.arange(10.0).view(2, 1, 1, 5)
    *_, allowed, found = align(k, v, mask("11111", "00111"), bias)
    assert found.tolist() == [[[[0, 1, 2, 3, 4]]], [[[7, 8, 9, 5, 6]]]]
    *_, found = align(k, v, mask("11111", "00111"), bias[:1].expand(1, 3, 2, 5))
    assert found[1, 2, 1].tolist() == [2, 3, 4, 0, 1]
    assert found[0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    for whole in (None, mask("11111", "11111")):
        assert align(k, v, whole, bias)[3] is bias
    assert allowed is not None
