"""Pictures of the study of spectral envelopes, as matplotlib figures."""

import numpy as np

from vqspeech import world
from vqspeech.metrics import pictures
from vqspeech.studies.quantised_speech import again
from vqspeech.studies.speech import METHODS, REPLACEMENTS, SpeechStudy, called

SHOWN = "EMA, by batches"
"""The row whose resyntheses are drawn."""
_FIGURES = {"sd": "spectral distortion (dB)", "pesq_copy": "PESQ against WORLD copy"}


def rates(study: SpeechStudy):
    """A figure of distortion and PESQ by rate, a line a method with 95 % intervals over seeds, a column a policy. Rates
    of several stages stand on their own at the right."""
    from matplotlib.figure import Figure

    order = sorted(study.rates, key=lambda bits: (len(bits), sum(bits)))
    places = [study.rates.index(bits) for bits in order]
    single = sum(len(bits) == 1 for bits in order)
    figure = Figure(figsize=(11, 7), layout="constrained")
    grid = figure.subplots(len(_FIGURES), len(REPLACEMENTS), sharex=True, sharey="row", squeeze=False)
    for (name, label), panels in zip(_FIGURES.items(), grid, strict=True):
        for axes, policy in zip(panels, REPLACEMENTS, strict=True):
            for number, method in enumerate(METHODS):
                found = study.estimates(name, f"{method}, {policy}")
                value, low, high = (
                    np.array([getattr(found[i], key) for i in places]) for key in ("value", "low", "high")
                )
                x = np.arange(len(order)) + 0.08 * (number - (len(METHODS) - 1) / 2)  # side by side where they agree
                for part in (slice(0, single), slice(single, None)):
                    axes.errorbar(
                        x[part], value[part], [value[part] - low[part], high[part] - value[part]], marker="o",
                        markersize=4, capsize=2, color=f"C{number}", label=method if part.start == 0 else None,
                    )  # fmt: skip
            axes.set_xticks(range(len(order)), [called(bits) for bits in order])
            axes.grid(alpha=0.3)
            if name == "sd":
                axes.set_title(f"replacement of dead codes: {policy}")
        panels[0].set_ylabel(label)
    grid[0][0].legend()
    return figure


def resyntheses(study: SpeechStudy):
    """A figure of the spectrograms of one held-out recording: as it is, its WORLD copy, and with envelopes quantised at
    the lowest rate, the highest of one stage, and the highest."""
    one = study.heard.recordings[0]
    sounds = {f"{one.name}, recording": one.recording, "WORLD copy": one.copy}
    order = sorted(study.rates, key=sum)
    single = [bits for bits in order if len(bits) == 1]
    for bits in dict.fromkeys((order[0], *single[-1:], order[-1])):
        frames = again(study.codebook(bits, SHOWN), study.heard, one.frames)
        sounds[f"{called(bits)} ({SHOWN})"] = world.synthesis(frames)
    return pictures.spectrograms(sounds)
