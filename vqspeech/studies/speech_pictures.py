"""Pictures of the study of spectral envelopes, as matplotlib figures."""

from vqspeech import world
from vqspeech.metrics import pictures
from vqspeech.studies.quantised_speech import again
from vqspeech.studies.rates import called
from vqspeech.studies.speech import SpeechStudy

SHOWN = "EMA, by batches"
"""The row whose resyntheses are drawn."""
DRAWN = {"sd": "spectral distortion (dB)", "pesq_copy": "PESQ against WORLD copy"}
"""Figures that are drawn over rates."""


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
