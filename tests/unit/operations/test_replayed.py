from __future__ import annotations

import random

import pytest

from worker.operations.replayed import MAX_CHARS, Offsets, decode_offsets


@pytest.mark.parametrize(
    "offsets",
    [[], [0], [5, 6, 7], [7, 6, 5, 5], [0, 2, 4], [1, 3, 2], [10**12, 10**12 + 1, 3]],
    ids=str,
)
def test_set_holds_what_was_added_and_nothing_else(offsets: list[int]) -> None:
    kept = Offsets()
    for offset in offsets:
        kept.add(offset)
    assert len(kept) == len(set(offsets))
    around = {near for offset in offsets for near in (offset - 1, offset, offset + 1)}
    assert {near for near in around if near in kept} == set(offsets)
    assert kept.next_offset == (max(offsets) + 1 if offsets else 0)


def test_any_order_of_adding_gives_the_same_set_and_text() -> None:
    drawn = random.Random(5)
    for _ in range(200):
        chosen = drawn.sample(range(60), drawn.randrange(1, 40))
        kept = Offsets()
        for offset in chosen:
            kept.add(offset)
        assert [offset for offset in range(62) if offset in kept] == sorted(chosen)
        assert kept == Offsets(chosen)
        assert decode_offsets(kept.encode()) == kept


def test_what_the_log_no_longer_holds_is_forgotten() -> None:
    kept = Offsets([1, 2, 5, 6, 7, 9])
    kept.forget_below(6)
    assert kept == Offsets([6, 7, 9])
    kept.forget_below(100)
    assert len(kept) == 0


def test_long_ranges_stay_short() -> None:
    """If this fails, a flood of dead letters cannot be remembered as sent."""
    kept = Offsets()
    kept._firsts, kept._lasts = [0, 2_000_000], [999_999, 2_500_000]
    assert len(kept.encode()) < 100
    many = Offsets(offset for offset in range(20_000) if offset % 50)
    assert len(many.encode()) < MAX_CHARS
    assert decode_offsets(many.encode()) == many


@pytest.mark.parametrize("text", ["", "0", "2:abcd", "1:!!", "1:YWJj", "1:"])
def test_text_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"unknown form|damaged"):
        decode_offsets(text)
