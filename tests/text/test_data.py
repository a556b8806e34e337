import gzip

import numpy as np
import pytest

pytest.importorskip("sentencepiece")

from vqspeech.errors import ConfigError, CorpusError
from vqspeech.text.data.batches import TextBatches
from vqspeech.text.data.pairs import read_pairs
from vqspeech.text.data.vocabulary import END, Vocabulary


def test_pairs_of_any_files_are_read(tmp_path):
    (tmp_path / "a.en").write_bytes(b"\xef\xbb\xbfa dog\r\n\r\nlatin \xff one\na line\xe2\x80\xa8separator\nlast")
    (tmp_path / "a.de.gz").write_bytes(gzip.compress(b"ein Hund\nleer\nzwei\n drei \nvier\n"))
    found = read_pairs([(tmp_path / "a.en", tmp_path / "a.de.gz")])
    assert list(found.source) == ["a dog", "a line\u2028separator", "last"]
    assert list(found.target) == ["ein Hund", "drei", "vier"]
    assert found.dropped == {"empty": 1, "not UTF-8": 1}


@pytest.mark.parametrize("content", [b"one\ntwo\n", b"\n", b"\x1f\x8bno gzip"])
def test_files_that_are_no_pairs_are_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(b"one\n")
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(CorpusError, match=str(tmp_path)):
        read_pairs([(tmp_path / "a", tmp_path / "b")])
    with pytest.raises(CorpusError):
        read_pairs([(tmp_path / "a", tmp_path / "none")])


def test_pieces_give_back_the_text(pairs):
    vocabulary = Vocabulary.learn([*pairs.source, *pairs.target], 300)
    lines = [*pairs.target[:5], "Ωmega 你好"]
    assert vocabulary.decode(vocabulary.encode(lines)) == lines
    assert all(one[-1] == END for one in vocabulary.encode(lines))
    assert Vocabulary.learn([*pairs.source, *pairs.target], 300).model == vocabulary.model


@pytest.mark.parametrize("model", ["no base64!", "AAAA"])
def test_what_is_no_vocabulary_is_refused(model):
    with pytest.raises(ConfigError, match="vocabulary"):
        Vocabulary(model)


def test_a_vocabulary_larger_than_the_text_allows_is_refused(pairs):
    with pytest.raises(ConfigError, match="vocabulary.size=100"):
        Vocabulary.learn(pairs.source, 100)


def test_batches_hold_about_as_many_pieces_and_whole_pairs():
    draws = np.random.default_rng(0)
    sources = [[i + 4] * int(draws.integers(1, 60)) for i in range(200)]
    targets = [[i + 4] * int(draws.integers(1, 60)) for i in range(200)]
    batches = TextBatches(sources, targets, 40)
    kept = [i for i in range(200) if max(len(sources[i]), len(targets[i])) <= 40]
    assert len(batches) == len(kept) and batches.too_long == 200 - len(kept)
    seen = []
    for batch in batches.in_order(512):
        assert batch.target.numel() <= 512 and batch.target.shape == batch.source.shape
        for source, target in zip(batch.source, batch.target, strict=True):
            i = int(source[0]) - 4
            seen.append(i)
            assert source[source > 0].tolist() == sources[i] and target[target > 0].tolist() == targets[i]
    assert sorted(seen) == kept
    one, same, other = batches.random(512, 1, 2), batches.random(512, 1, 2), batches.random(512, 1, 3)
    assert one.source.equal(same.source) and not one.source.equal(other.source)
    shapes = {tuple(batches.random(512, 0, step).source.shape) for step in range(50)}
    assert len(shapes) == 5 and all(512 - width < count * width <= 512 for count, width in shapes)
