import torch

from vqspeech.models.quantize import make_quantizer
from vqspeech.studies.runs import mean_over_seeds
from vqspeech.studies.speech import LOSSES, SpeechStudy
from vqspeech.studies.toy import AUTHORS
from vqspeech.training.fitting import fit_quantizer


def test_alone_nsvq_learns_as_the_codebook_loss_does():
    # What the notes of the tables say: its loss is ‖z − e‖² for any noise.
    vectors = torch.randn(300, 5, generator=torch.Generator().manual_seed(0))
    weights = []
    for name in ("gradient", "nsvq"):
        book = make_quantizer(name, 8, 5, revive_below=0.0)
        book.start(torch.randn(8, 5, generator=torch.Generator().manual_seed(1)))
        weights.append(fit_quantizer(book, vectors, 30, 64, 0.05, seed=3).weight.detach())
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-3, atol=1e-3)


def test_pesq_lost_and_distortion_are_both_held_against_the_papers():
    study = SpeechStudy.__new__(SpeechStudy)
    study.steps = 500
    better, worse = ({"sd": 1.0 + x, "pesq_copy": 4.0 - x} for x in (0.0, 0.5))
    rows = {row: [better] * 3 if row == AUTHORS else [dict(worse) for _ in range(3)] for row in study.rows}
    study.results = {"8 bits": rows}
    first = study.tabulate_findings(LOSSES)[0]
    assert first["8 bits: dB"].startswith("agrees: -0.5") and first["8 bits: PESQ lost"].startswith("agrees: -0.5")
    for one in rows["NSVQ, never"]:
        one["sd"] = 1.5 - 1e-9  # rounding: the very same method
    [same] = [
        row
        for row in study.tabulate_findings(LOSSES)
        if row["row"] == "replaced in neither: NSVQ errs less than gradient"
    ]
    assert same["8 bits: dB"] == "disagrees: 0 [0, 0]"
    [estimate] = study.estimate_figure("sd", "EMA, never")
    assert estimate == mean_over_seeds([1.5] * 3)
