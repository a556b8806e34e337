import numpy as np

from vqspeech.metrics.reports import pictures, style

SENTENCE = "printing in the only sense with which we are at present concerned differs from most if not from all " * 2


def test_a_long_title_stays_within_its_figure(tmp_path):
    wave = np.random.default_rng(0).standard_normal(8000).astype(np.float32) / 10
    figure = pictures.draw_spectrograms({SENTENCE: wave, "5 $ or 7 $": wave})
    pictures.save_figure(figure, tmp_path / "a.png")
    for axes in figure.axes:
        box = axes.title.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
    assert figure.axes[0].get_title().count("\n") > 1
    assert figure.axes[0].get_title().replace("\n", " ").split() == SENTENCE.split(), "no word is lost"


@style.house_style()
def test_lines_have_the_colours_of_the_house():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    [line] = axes.plot([0, 1], [0, 1])
    assert line.get_color() == style.COLOURS[0]
