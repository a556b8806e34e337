import pytest

from vqspeech.studies.published import NSVQ_BITS, NSVQ_IMAGES, PAIRS, compare_difference, tabulate_comparison
from vqspeech.studies.rates import METHODS, REPLACEMENTS
from vqspeech.studies.toy import AUTHORS


@pytest.mark.parametrize(
    ("first", "second", "printed", "verdict"),
    [
        ([2.0, 2.1, 2.0], [1.0, 1.0, 1.0], 0.5, "agrees: +1.03"),
        ([2.0, 2.1, 2.0], [1.0, 1.0, 1.0], -0.5, "disagrees: +1.03"),
        ([1.0, 1.0, 1.0], [2.0, 2.1, 2.0], -0.5, "agrees: -1.03"),
        ([1.0, 3.0, 2.0], [2.0, 1.0, 2.5], 0.5, "undecided: "),
        ([2.0, 2.1, 2.0], [1.0, 1.0, 1.0], 0.0, "undecided: +1.03"),  # nothing was said
        ([2.0], [1.0], 0.5, "undecided: +1 [?, ?]"),  # one seed decides nothing
    ],
)
def test_the_sign_of_what_was_printed_decides(first, second, printed, verdict):
    assert compare_difference(first, second, printed).startswith(verdict)


def test_a_cell_by_bits_that_were_printed():
    ours = {
        bits: {AUTHORS: [25.0, 25.1], "gradient, never": [24.0, 24.1], "k-means, never": [1.0, 1.0]}
        for bits in (6, 11, 12)
    }
    found = {one.pop("row"): one for one in tabulate_comparison("psnr", ours)}
    assert found[f"{AUTHORS}: above gradient, never"] == {
        "6 bits": "disagrees: +1 [+1, +1], published -0.200",  # 22.95 - 23.15
        "11 bits": "agrees: +1 [+1, +1], published +1.55",
    }
    assert found["EMA, never: above gradient, never"] == {}, "EMA was not run"


def test_what_was_printed_is_of_rows_that_there_are():
    names = {f"{method}, {policy}" for method in METHODS for policy in REPLACEMENTS} | {AUTHORS}
    for by_row in NSVQ_IMAGES.values():
        assert by_row.keys() <= names and {row for pair in PAIRS for row in pair} <= by_row.keys()
        assert {len(figures) for figures in by_row.values()} == {len(NSVQ_BITS)}
