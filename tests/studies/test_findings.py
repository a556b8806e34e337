import pytest

from vqspeech.studies.findings import Finding

LESS = Finding("A is below B", "the paper, figure 1", "a", "b")
SAME = Finding("A is as B", "the paper, table 2", "a", "b", tolerance=0.1)


@pytest.mark.parametrize(
    ("finding", "first", "second", "verdict"),
    [
        (LESS, [1.0, 1.1, 0.9], [2.0, 2.1, 2.0], "agrees"),
        (LESS, [2.0, 2.1, 2.0], [1.0, 1.1, 0.9], "disagrees"),
        (LESS, [1.0, 3.0, 2.0], [2.0, 1.0, 2.5], "undecided"),
        (LESS, [1.0, 2.0], [1.0, 2.0], "disagrees"),  # equal is not below
        (LESS, [1.0], [2.0], "undecided"),  # one seed decides nothing
        # Far apart between seeds, but always below within one: pairs decide.
        (LESS, [1.0, 11.0, 101.0], [2.0, 12.0, 102.1], "agrees"),
        (SAME, [1.0, 1.01, 1.0], [1.01, 1.0, 1.0], "agrees"),
        (SAME, [2.0, 2.01, 2.0], [1.01, 1.0, 1.0], "disagrees"),
        (SAME, [0.2, 0.21, 0.2], [1.01, 1.0, 1.0], "disagrees"),
        (SAME, [1.2, 0.9, 1.1], [1.01, 1.0, 1.0], "undecided"),
    ],
)
def test_intervals_decide(finding, first, second, verdict):
    assert finding.judge(first, second)[0] == verdict


def test_a_row_has_a_cell_for_each_case_that_has_both_rows():
    row = LESS.tabulate({"8 bits": {"a": [1.0, 1.5], "b": [2.0, 2.5]}, "9 bits": {"a": [1.0, 2.0]}})
    assert row == {"row": "A is below B", "source": "the paper, figure 1", "8 bits": "agrees: -1 [-1, -1]"}


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="are not pairs"):
        LESS.judge([1.0], [])
    with pytest.raises(ValueError, match="2 and 1 figures"):
        LESS.judge([1.0, 2.0], [1.0])
