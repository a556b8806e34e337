"""A small language whose words translate one by one, and models of it, trained for seconds."""

import random

import pytest
import torch

from vqspeech.conf.text import load_config
from vqspeech.text.data.pairs import SentencePairs

WORDS = {"a": "ein", "red": "rot", "dog": "Hund", "man": "Mann", "runs": "läuft", "sees": "sieht", "house": "Haus"}


@pytest.fixture(scope="session")
def pairs() -> SentencePairs:
    draws = random.Random(0)
    source = [" ".join(draws.choices(list(WORDS), k=draws.randint(2, 9))) for _ in range(300)]
    return SentencePairs(source, [" ".join(WORDS[word] for word in line.split()) for line in source], {})


def small_config(name: str, *overrides: str) -> dict:
    codes = ["quantizer.codes=32", "model.dimension=16", "model.codebooks=2"] if name.startswith("latent") else []
    return load_config(
        name,
        ["model.width=32", "model.heads=2", "model.hidden=32", "model.encoder_layers=2", "model.decoder_layers=2",
         "vocabulary.size=300", "training.batch=256", "training.steps=4", "training.warmup=2",
         "training.evaluate_every=2", "training.translate=4", "training.precision=fp32", *codes, *overrides],
    )  # fmt: skip


@pytest.fixture(scope="session")
def folder(pairs, tmp_path_factory):
    """Experiments of each kind of model, a few steps old."""
    pytest.importorskip("sentencepiece")
    pytest.importorskip("sacrebleu")
    from vqspeech.text.training.translation import TranslationTask
    from vqspeech.training.trainer import train

    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("text")
    for name in ("autoregressive", "parallel", "latent"):
        start = None if name == "autoregressive" else out / "autoregressive"
        train(lambda n=name, s=start: TranslationTask(small_config(f"{n}_small"), pairs, pairs, s), out / name)
    return out
