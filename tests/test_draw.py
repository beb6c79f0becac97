import math

import pytest
import torch
from scipy import stats
from torch._subclasses.fake_tensor import FakeTensorMode

from mixkit.draw import Draw

ITEMS = torch.arange(200)


def test_same_words_same_numbers():
    assert torch.equal(Draw(3, 1, ITEMS, 2).uniform(50), Draw(3, 1, ITEMS, 2).uniform(50))


def test_numbers_are_splitmix64_of_the_words():
    draw = Draw(5, 3, torch.tensor([0, 1, 2**40]), 2)
    integers, uniforms = draw.integer(2, 1_000_000), draw.uniform(1)
    for row, item in enumerate([0, 1, 2**40]):
        state = scramble(item)
        for word in (2, 3, 5):
            state = scramble(state + word)
        words = [scramble(state + place * 0x9E3779B97F4A7C15) for place in range(3)]
        assert integers[row].tolist() == [(word >> 32) * 1_000_000 >> 32 for word in words[:2]]
        assert uniforms[row].item() == (words[2] >> 40) / 2**24


def scramble(word: int) -> int:
    word = (word + 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    return word ^ word >> 31


def test_a_row_does_not_depend_on_its_batch():
    whole = Draw(3, 1, ITEMS, 2).uniform(9)
    order = torch.tensor([17, 3, 199])
    assert torch.equal(Draw(3, 1, order, 2).uniform(9), whole[order])
    assert torch.equal(Draw(3, 1, 17, 2).uniform(9), whole[17:18])


def test_drawing_in_parts_is_drawing_at_once():
    draw, whole = Draw(3, 1, ITEMS, 2), Draw(3, 1, ITEMS, 2).uniform(9)
    assert torch.equal(torch.cat([draw.uniform(2), draw.uniform(0), draw.uniform(7)], 1), whole)


@pytest.mark.parametrize("other", [(4, 1, 2), (3, 2, 2), (3, 1, 3), (1, 3, 2), (2, 1, 3)])
def test_any_other_word_gives_unrelated_numbers(other):
    seed, epoch, stream = other
    first, second = Draw(3, 1, ITEMS, 2).uniform(100), Draw(seed, epoch, ITEMS, stream).uniform(100)
    assert abs(correlation(first, second)) < 4 / math.sqrt(first.numel())
    assert (first == second).float().mean() < 1e-3


def test_neighbouring_items_and_values_are_unrelated():
    drawn = Draw(3, 1, ITEMS, 2).uniform(100)
    limit = 4 / math.sqrt(drawn.numel())
    assert abs(correlation(drawn[1:], drawn[:-1])) < limit
    assert abs(correlation(drawn[:, 1:], drawn[:, :-1])) < limit
    # A counter that is only shifted from item to item, or from stream to stream, would repeat along the diagonals.
    assert abs(correlation(drawn[1:, :-1], drawn[:-1, 1:])) < limit
    assert abs(correlation(drawn[1:], Draw(3, 1, ITEMS[:-1], 3).uniform(100))) < limit


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_uniform_is_uniform(seed):
    drawn = Draw(seed, 0, torch.arange(300), 0).uniform(300)
    assert drawn.dtype == torch.float32
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(drawn[:, 0].numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("below", [1, 2, 7, 1000])
def test_integers_are_equally_likely(below):
    drawn = Draw(5, 0, torch.arange(300), 0).integer(100, below)
    counts = drawn.flatten().bincount(minlength=below)
    assert len(counts) == below
    assert below == 1 or stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_integers_reach_far():
    drawn = Draw(5, 0, torch.arange(300), 0).integer(100, 2**31).double() / 2**31
    assert drawn.min() >= 0
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 1e-3


def test_bits_are_balanced_in_every_place():
    words = Draw(0, 0, torch.arange(400), 0).integer(100, 2**31)
    for place in range(31):
        assert abs((words >> place & 1).double().mean() - 0.5) < 4 * 0.5 / math.sqrt(words.numel())


def test_it_draws_on_the_device_of_the_items():
    with FakeTensorMode():
        assert Draw(0, 0, torch.arange(3, device="cuda"), 0).uniform(2).device.type == "cuda"
        assert Draw(0, 0, torch.arange(3), 0, device="cuda").integer(2, 9).device.type == "cuda"


def correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])
