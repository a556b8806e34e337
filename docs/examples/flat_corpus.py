"""A corpus in one folder: `SPEAKER_SENTENCE.wav`, and the transcripts in `sentences.tsv`, SENTENCE and text a line."""

import os

from vqspeech.data.corpora.account import Account, measure_utterances
from vqspeech.data.corpora.layout import explain_missing_corpus, make_id, require_folder
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.sharding import Share


def prepare(corpus: str | os.PathLike[str], nj: int = 1, share: Share | None = None) -> tuple[DataDir, Account]:
    """Return the utterances of the corpus, or a share of them, and the account of it.

    Raises:
        CorpusError: The folder has no such recordings, or none can be read.
    """
    root = require_folder(corpus)
    account = Account(f"flat {root.name}")
    table = root / "sentences.tsv"
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    texts = dict(line.split("\t", 1) for line in lines if "\t" in line)
    utterances: list[Utterance] = []
    for path in sorted(root.glob("*.wav")):
        account.recordings += 1
        speaker, separator, sentence = path.stem.partition("_")
        if not separator:
            account.drop(path.name, "a name without speaker")
            continue
        # Kaldi wants the speaker as the prefix of the utterance, and the same characters everywhere: make_id.
        name = f"{make_id(speaker)}-{make_id(sentence)}"
        utterances.append(Utterance(name, make_id(speaker), str(path), text=texts.get(sentence)))
    if not account.recordings:
        raise explain_missing_corpus(root, "flat", "SPEAKER_SENTENCE.wav and sentences.tsv")
    return measure_utterances(utterances, account, nj, share), account
