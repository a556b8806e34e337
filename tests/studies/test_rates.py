from pathlib import Path
from typing import ClassVar

import pytest

from vqspeech.studies.images import ImageStudy
from vqspeech.studies.rates import FINDINGS, METHODS, REPLACEMENTS, RateStudy, name_rate
from vqspeech.studies.runs import mean_over_seeds
from vqspeech.studies.speech import SpeechStudy
from vqspeech.studies.toy import AUTHORS


class Counted(RateStudy):
    """A study whose figures identify their run."""

    name = "counted"
    columns: ClassVar = {"all": ("sum", 1), "in percent": ("sum", 100)}

    def load_or_run(self, bits, row, seed):
        return {"sum": 10.0 * sum(bits) + seed + 0.001 * list(self.rows).index(row)}


@pytest.mark.parametrize("kind", [SpeechStudy, ImageStudy])
def test_every_method_is_crossed_with_every_policy(kind):
    study = kind.__new__(kind)
    study.steps = 450
    rows = study.rows
    assert list(rows) == [f"{method}, {policy}" for method in METHODS for policy in REPLACEMENTS] + [AUTHORS]
    assert rows[AUTHORS] == {"name": "nsvq", "revive_below": 0.01, "revive_by": "nsvq", "revive_until": 250}
    assert [one.second for one in FINDINGS if one.first == AUTHORS][:3] == [
        f"{rival}, never" for rival in ("gradient", "EMA", "k-means")
    ], "what its paper says is said of its own replacement"
    rows.pop(AUTHORS)
    assert {row["name"] for row in rows.values()} == {"gradient", "ema", "nsvq", "soft_em", "kmeans"}
    for row in rows.values():
        assert row["revive_below"] == 0 or (row["revive_below"], row["revive_by"]) == (0.05, "batches")
    for finding in FINDINGS:
        assert {finding.first, finding.second} <= study.rows.keys(), finding.claim
    assert len({finding.claim for finding in FINDINGS}) == len(FINDINGS)


@pytest.mark.parametrize(("bits", "name"), [((8,), "8 bits"), ((10, 10), "10+10 bits")])
def test_names_of_rates(bits, name):
    assert name_rate(bits) == name


def test_tables_and_findings_hold_the_runs_of_their_rate(tmp_path):
    study = Counted(tmp_path, [(2,), (3,), (1, 1)], 3, 1, 1)
    study.run()
    assert study.middle_rate == (3,)
    rows = study.tabulate((3,))
    assert [one["row"] for one in rows] == list(study.rows)
    whole, percent = mean_over_seeds([30, 31, 32]), mean_over_seeds([3000, 3100, 3200])
    assert rows[0] == {"row": "gradient, never", "all": whole, "in percent": percent}
    assert [one.value for one in study.estimate_figure("sum", "gradient, never")] == [21, 31, 21]
    lost = {"more": lambda one: one["sum"], "less": lambda one: -one["sum"]}
    [cell] = [
        one for one in study.tabulate_findings(lost) if one["row"] == "NSVQ with replacement errs less than without"
    ]
    assert list(cell)[2:] == [f"{rate}: {what}" for what in lost for rate in ("2 bits", "3 bits", "1+1 bits")]
    assert cell["2 bits: more"].startswith("disagrees: +0.006") and cell["2 bits: less"].startswith("agrees: -0.006")


def test_a_base_has_no_runs(tmp_path: Path):
    with pytest.raises(TypeError, match="abstract method '?load_or_run"):
        RateStudy(tmp_path, [(1,)], 1, 1, 1)  # pyright: ignore[reportAbstractUsage]
