"""Long utterances in chunks: every sample once, no step where chunks meet, and with --exact no chunks at all."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import buzz
from tests.models.test_vqvae import model
from vqspeech import audio
from vqspeech.models import chunks
from vqspeech.models.chunks import Chunking, join_chunks
from vqspeech.models.decoders import Sampling, WorldWaveNet
from vqspeech.models.decoders.samples import SampleDecoder

CPU = torch.device("cpu")


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=5), st.integers(1, 50), st.integers(0, 20), st.integers(1, 5),
    st.integers(0, 9), st.integers(0, 3),
)  # fmt: skip
def test_every_sample_is_there_once(codes, step, overlap, hop, before, behind):
    chunking = Chunking(step, overlap, before, behind)
    waves = [np.arange(count * hop, dtype=np.float32) for count in codes]
    parts: list[list[np.ndarray]] = [[] for _ in codes]
    for i, start, stop in chunking.spans(codes):
        assert 0 < stop - start <= step + overlap
        parts[i].append(waves[i][start * hop : stop * hop])
    for wave, sounds in zip(waves, parts, strict=True):
        np.testing.assert_allclose(np.concatenate([*chunking.join(sounds, hop)]), wave, rtol=1e-6)


def test_chunks_are_joined_where_they_are_alike_within_the_overlap():
    """Alike in one place only, which is not the quietest; noise elsewhere, and silence where joins are forbidden."""
    generator = np.random.default_rng(0)
    for place in (700, 1000, 1500):
        one, two = (generator.normal(0, 0.3, 3000).astype(np.float32) for _ in range(2))
        one[1000:1200] = two[:200] = 0  # silence in both, but before the overlap counts
        one[-200:] = two[1800:2000] = 0  # and too close to the end
        two[place : place + 200] = one[1000 + place : 1000 + place + 200]
        whole = np.concatenate([*join_chunks([one, two], 2000, before=400, behind=300)])
        assert np.array_equal(whole[1000 : 1000 + place], one[1000 : 1000 + place])
        assert np.array_equal(whole[1000 + place + 200 :], two[place + 200 :])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.floats(80, 300), st.floats(80, 300))
def test_no_step_is_larger_than_within_the_chunks(seed, f0, other):
    one, two = buzz(0.5, f0, seed), buzz(0.5, other, seed + 1)
    whole = np.concatenate([*join_chunks([one, two], 4000, before=1000, behind=64)])
    assert len(whole) == 12000
    within = max(np.abs(np.diff(one)).max(), np.abs(np.diff(two)).max())
    assert np.abs(np.diff(whole)).max() <= within


@pytest.mark.parametrize("name", ["mini_wavenet", "librispeech_wavenet"])
def test_a_wavenet_is_warmed_up_before_chunks_meet(name):
    made = model(name)
    chunking = Chunking.for_decoder(made.decoder, [1000], Sampling(), CPU)
    assert chunking.before * made.hop >= made.decoder.receptive_field
    assert (chunking.overlap - chunking.before - chunking.behind) * made.hop >= chunks.CROSSFADE_RANGE * audio.RATE
    assert len(chunking.spans([1000])) > 1
    exact = Chunking.for_decoder(made.decoder, [1000, 7], Sampling(exact=True), CPU)
    assert exact.spans([1000, 7]) == [(0, 0, 1000), (1, 0, 7)]


@pytest.mark.parametrize("name", ["mini_wavenet", "librispeech_wavenet"])
def test_a_piece_that_knew_the_past_would_be_the_whole(name, monkeypatch: pytest.MonkeyPatch):
    """Pieces draw with the numbers of their place: once they agree they stay the same. At temperature 0 and with the
    decoder deaf to its past they agree as soon as they are warmed up, but for the codes at their ends."""
    made = model(name)
    assert isinstance(made.decoder, SampleDecoder)
    with torch.no_grad():
        made.decoder.embedding.weight.zero_()
        made.decoder.embedding.weight.add_(1.0)
        if isinstance(made.decoder, WorldWaveNet):
            made.decoder.frames.output.get_parameter("bias")[0] = -99.0  # unvoiced: what rings on is soon over
    wave = buzz(3.0, 120)
    whole = made.convert(wave, "low", exact=True)
    monkeypatch.setattr(chunks, "CROSSFADE_RANGE", 0.05)
    pieced = made.convert(wave, "low")
    if isinstance(made.decoder, WorldWaveNet):
        np.testing.assert_allclose(pieced, whole, rtol=0, atol=1e-6)  # filters ring on for ever, if ever so little
    else:
        assert np.array_equal(pieced, whole)
    assert len(np.unique(whole)) > 100, "not silent"


@pytest.mark.parametrize("name", ["mini_wavenet", "librispeech_wavenet"])
def test_exact_does_not_hang_on_company_or_cores(name):
    made = model(name)
    waves = [buzz(seconds, 120, i) for i, seconds in enumerate((0.9, 0.31, 0.5))]
    before = torch.get_num_threads()
    alone = [made.convert(wave, "low", exact=True, seed=3) for wave in waves]
    try:
        torch.set_num_threads(3)
        together = made.convert_many(waves, ["low"] * 3, exact=True, seed=3)
    finally:
        torch.set_num_threads(before)
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)
    reference = made.convert(waves[0], "low", exact=True, seed=3, engine="cached")
    # A uniform within a float32's rounding of the edge between two classes may choose either, once in many thousands.
    assert np.mean(alone[0] == reference) > 0.99


def test_seeds_may_be_one_each():
    made = model("mini_wavenet")
    codes = made.encode(buzz(0.2, 120))
    one, two, three = made.decode_many([codes] * 3, ["low"] * 3, [None] * 3, seed=[5, 6, 5])
    assert np.array_equal(one, three) and not np.array_equal(one, two)
    with pytest.raises(TypeError, match="tempo"):
        made.decode(codes, "low", tempo=2)
