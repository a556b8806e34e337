"""The pictures, TextGrids and the page of a units report."""

import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import textgrid
from PIL import Image

from tests.conftest import buzz
from tests.metrics.aligned_speech import spoken
from vqspeech import audio
from vqspeech.data.alignment import read_alignment
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.units import Units
from vqspeech.metrics.measures.bootstrap import Estimate, redraw_speakers
from vqspeech.metrics.reports import unit_report

PHONES = [("sil", 0.3), ("aa", 0.45), ("k", 0.25)]


@pytest.fixture
def report_inputs(tmp_path):
    """Two aligned utterances of two speakers, a recording of one of them, and the units."""
    aligned = [spoken(f"{s}-1", s, [0, 0, 0, 1, 1, 1, 2, 2, 3, 3], PHONES) for s in "ab"]
    audio.write(tmp_path / "a-1.wav", buzz(0.95, 120))
    text = "$\\frac{1$ <b> & more words"
    data = DataDir([Utterance(f"{s}-1", s, str(tmp_path / f"{s}-1.wav"), text=text, seconds=0.95) for s in "ab"])
    return Units({one.name: one.codes for one in aligned}, 10.0, 6, "m", "0" * 64), data, aligned


def test_pictures(report_inputs, tmp_path):
    drawn = unit_report.draw_pictures(tmp_path / "pictures", *report_inputs)
    assert [path.name for path in drawn.values()] == ["codes.png", "code-by-phone.png", "utterance-a-1.png"]
    for path in drawn.values():
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert min(pixels.shape[:2]) > 50 and pixels.std() > 5


def test_pictures_of_one_code_and_of_no_alignment(tmp_path):
    units = Units({"a-1": np.zeros(10, np.int64)}, 10.0, 1, "m", "0" * 64)
    assert list(unit_report.draw_pictures(tmp_path, units, DataDir(), [])) == ["How often each code is used"]
    one = spoken("a-1", "a", [0] * 10, PHONES)
    data = DataDir([Utterance("a-1", "a", str(tmp_path / "none.wav"))])
    assert len(unit_report.draw_pictures(tmp_path, units, data, [one])) == 2


def test_textgrids(report_inputs, tmp_path):
    _, data, aligned = report_inputs
    unit_report.write_textgrids(tmp_path / "grids", data, aligned)
    grid = textgrid.TextGrid.fromFile(str(tmp_path / "grids" / "a-1.TextGrid"))
    assert grid.maxTime == 0.95 and [tier.name for tier in grid] == ["phones", "codes"]
    tiers = [[(i.minTime, i.maxTime, i.mark) for i in tier] for tier in grid]
    assert tiers[0] == [(0, 0.3, "sil"), (0.3, 0.75, "aa"), (0.75, 0.95, "k")]
    assert tiers[1] == [(0, 0.3, "0"), (0.3, 0.6, "1"), (0.6, 0.8, "2"), (0.8, 0.95, "3")]
    assert [i.label for i in read_alignment(tmp_path / "grids" / "a-1.TextGrid")] == ["sil", "aa", "k"], (
        "it is an alignment too"
    )


class Tags(HTMLParser):
    """Every tag and attribute of a page, and whether tags close in the order they open."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_self_contained_and_escaped(report_inputs, tmp_path):
    drawn = unit_report.draw_pictures(tmp_path / "pictures", *report_inputs)
    nasty = "<script>alert('x')</script> & \"y\""
    section = {
        "rows": [{"row": "PNMI", "with silence": Estimate(0.5, 0.4, 0.6, 7).as_json()}, {"row": nasty, "x": nasty}],
        "notes": [nasty], "command": nasty, "git": nasty, "seed": 1, "time": "now", "versions": {nasty: nasty},
    }  # fmt: skip
    path = tmp_path / "report.html"
    unit_report.write_page(path, nasty, {nasty: section}, {nasty: next(iter(drawn.values())), **drawn})
    text = path.read_text()
    page = Tags()
    page.feed(text)
    assert not page.open and "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(nasty) >= 4
    assert all(attrs["src"].startswith("data:image/png;base64,") for tag, attrs in page.tags if tag == "img")
    assert not {"href", "srcset"} & {name for _, attrs in page.tags for name in attrs} and "http" not in text
    assert "0.500 [0.400, 0.600]" in text and html.escape(unit_report.MEANING["PNMI"]) in text
    assert len(re.findall("<img", text)) == 4


def test_every_row_and_column_is_explained():
    """In the tables that the code can make, there is nothing without its line."""
    from vqspeech.data.units import Units as U
    from vqspeech.metrics.evaluations import units as tables

    aligned = [spoken(f"{s}-{i}", s, [0, 1, 2, 3, 0, 1, 2, 3, 0, 1], PHONES) for s in "ab" for i in range(2)]
    units = U({one.name: one.codes for one in aligned}, 10.0, 4, "m", "0" * 64)
    data = DataDir([Utterance(one.name, one.speaker, f"/wav/{one.name}.wav") for one in aligned])
    redrawn = redraw_speakers([one.speaker for one in aligned])
    phones = tables._phone_table(aligned, units, 0, redrawn)
    report_inputs = [
        tables.Table(tables.make_code_rows(units)), phones, tables._boundary_table(aligned, redrawn),
        tables._speaker_table(units, data, 0, {}, phones), tables._abx_table(aligned, units, None, 0, 1),
    ]  # fmt: skip
    names = {row["row"] for table in report_inputs for row in table.rows}
    names |= {key for table in report_inputs for row in table.rows for key in row} - {
        "row",
        "value",
        tables.WITH,
        tables.WITHOUT,
    }
    assert names <= set(unit_report.MEANING), names - set(unit_report.MEANING)
    assert set(unit_report.MEANING) - names == {"MFCC"}
