"""The curves of a training: what a kill or a damaged line leaves of them."""

import json
import os

import pytest

from vqspeech import files
from vqspeech.errors import ConfigError
from vqspeech.metrics.reports.curves import read_curves
from vqspeech.metrics.reports.pictures import draw_curves
from vqspeech.training.log import Log
from vqspeech.vision.commands.score_steps import read_bits
from vqspeech.vision.metrics.reports import pictures as image_pictures

WHOLE = "".join(json.dumps({"step": step, "bits": 9.0 / step, "gap": 0.5}) + "\n" for step in (2, 4, 6))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "curves.jsonl"
    path.write_text(WHOLE)
    return path


def steps(path):
    return [line["step"] for line in read_curves(path)]


def test_a_torn_last_line_is_left_out_with_a_word(path, messages):
    path.write_text(WHOLE[:-20])
    assert steps(path) == [2, 4] and "its last line is cut short and left out" in messages()
    log = Log(path.parent)
    log.add_scalars(8, {"bits": 1.0})
    assert path.read_text() == "".join(WHOLE.splitlines(True)[:2]) + '{"step": 8, "bits": 1.0}\n'
    path.write_text(WHOLE[:-1])
    assert steps(path) == [2, 4, 6], "a line that lacks its end alone is whole"


@pytest.mark.parametrize(
    "line", ["{", "[]", "3", '{"bits": 1}', '{"step": "4"}', '{"step": true}', '{"step": 4, "bits": null}', "[" * 9999]
)
def test_damaged_lines_are_left_out_and_counted(path, line, messages):
    first, _, last = WHOLE.splitlines()
    path.write_bytes(f"{first}\n{line}\n\xff\n{last}\n".encode("latin-1"))
    assert steps(path) == [2, 6] and "2 damaged line(s) left out" in messages()
    assert read_bits(path) == {2: 4.5, 6: 1.5}
    for draw in (draw_curves, image_pictures.plot_curves):
        draw(path)
    log = Log(path.parent)
    log.add_scalars(8, {"bits": 1.0, "gap": 0.5})
    assert steps(path) == [2, 6, 8]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{", b"\x00" * 100, None])
def test_where_nothing_is_whole(path, content, messages):
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    for read in (read_curves, draw_curves, image_pictures.plot_curves, read_bits):
        with pytest.raises(ConfigError, match="holds no evaluation|no curves of a training"):
            read(path)
    Log(path.parent).add_scalars(2, {"bits": 1.0})
    assert steps(path) == [2], "a training goes on"


def test_going_on_at_an_earlier_step_drops_the_later_ones(path):
    log = Log(path.parent)
    log.add_scalars(4, {"bits": 1.0})
    log.add_scalars(5, {"bits": 2.0})
    assert [(line["step"], line["bits"]) for line in read_curves(path)] == [(2, 4.5), (4, 1.0), (5, 2.0)]


def test_a_kill_while_it_is_written_leaves_the_old_file(path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    log = Log(path.parent)
    monkeypatch.setattr(files.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        log.add_scalars(8, {"bits": 1.0})
    assert path.read_text() == WHOLE and "curves.jsonl" in os.listdir(path.parent)
