"""Recordings of one's own: a folder per speaker, `DIR/SPEAKER/**/*.wav` (or flac, ogg, mp3 ...), with the transcript,
where there is one, beside the recording under the same name: `a.txt` for `a.wav`.
"""

import os

from vqspeech.data.corpora.account import Account, measured
from vqspeech.data.corpora.layout import ENDINGS, existing, folders, nothing, other_corpus, recordings
from vqspeech.data.corpora.transcript import transcript
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import CorpusError


def prepare(corpus: str | os.PathLike, nj: int = 1) -> tuple[DataDir, Account]:
    """The utterances below a folder, and the account of what was found.

    An utterance is called `SPEAKER-` and its path below the speaker's folder without the ending, `/` made `-` and
    blanks made `_`. Raises `CorpusError` where no folder of a speaker holds a recording, none can be read, or two
    folders name the same speaker.
    """
    root = existing(corpus)
    kind = other_corpus(root, "folder")
    if kind:
        fix = f"prepare it as that: vqspeech prepare {kind} --corpus {root}"
        raise CorpusError(f"{root}: this is {kind}, whose folders are not speakers or whose text lies elsewhere; {fix}")
    account = Account(f"folder {root.name}")
    utterances: dict[str, Utterance] = {}
    speakers: dict[str, str] = {}
    for folder in folders(root):
        speaker = _id(folder.name)
        if speaker in speakers:
            both = f"'{speakers[speaker]}' and '{folder.name}'"
            raise CorpusError(f"{root}: the folders {both} are both speaker '{speaker}'; rename one")
        speakers[speaker] = folder.name
        for path in recordings(folder):
            account.found += 1
            name = f"{speaker}-{_id('-'.join(path.relative_to(folder).with_suffix('').parts))}"
            if not _fits_a_table(str(path)):
                account.drop(ascii(path.name), "a path with line ends or odd bytes; rename it")
            elif name in utterances:
                account.drop(str(path.relative_to(root)), "another file has the same utterance id")
            else:
                text = transcript(path.with_suffix(".txt"), name, account)
                utterances[name] = Utterance(name, speaker, str(path), text=text)
    if not account.found:
        raise nothing(root, "folder", "SPEAKER/**/*.wav, .flac, .ogg, .mp3 or the like, one folder a speaker")
    for path in sorted(root.iterdir()):
        if path.is_file() and path.suffix.lower() in ENDINGS and not path.name.startswith("."):
            account.found += 1
            account.drop(path.name, "in no speaker's folder")
    return measured(list(utterances.values()), account, nj), account


def _id(name: str) -> str:
    return "_".join(name.split())


def _fits_a_table(path: str) -> bool:
    return path.isprintable() and path == path.strip()
