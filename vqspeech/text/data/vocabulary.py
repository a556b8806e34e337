"""Pieces of words by SentencePiece (Kudo and Richardson 2018, 1808.06226), one vocabulary for both languages.

What the vocabulary lacks, such as another script, is spelled in bytes, so that every text has pieces.
"""

import base64
import binascii
import io
from collections.abc import Iterable, Sequence

from vqspeech.errors import ConfigError
from vqspeech.extras import import_extra

PAD, UNKNOWN, BEGIN, END = range(4)
"""Pieces that are no text."""


class Vocabulary:
    """A trained model of SentencePiece.

    Args:
        model: The model in base64, as a checkpoint holds it.

    Raises:
        ConfigError: It is no such model, or has other special pieces.
    """

    def __init__(self, model: str):
        pieces = import_extra("sentencepiece", "text")
        try:
            self._pieces = pieces.SentencePieceProcessor(model_proto=base64.b64decode(model, validate=True))
            special = tuple(getattr(self._pieces, f"{name}_id")() for name in ("pad", "unk", "bos", "eos"))
        except (RuntimeError, TypeError, binascii.Error) as error:
            raise ConfigError(f"the vocabulary is no model of SentencePiece ({error})") from None
        if special != (PAD, UNKNOWN, BEGIN, END):
            raise ConfigError(f"the vocabulary has its special pieces at {special}; `vqspeech text train` makes others")
        self.model = model

    def __len__(self) -> int:
        return self._pieces.get_piece_size()

    @classmethod
    def learn(cls, lines: Iterable[str], size: int) -> "Vocabulary":
        """Learn a vocabulary of `size` pieces by byte-pair encoding; the same lines give the same pieces.

        Raises:
            ConfigError: The text has too little variety for so many.
        """
        trainer, model = import_extra("sentencepiece", "text").SentencePieceTrainer, io.BytesIO()
        try:
            trainer.train(
                sentence_iterator=iter(lines), model_writer=model, vocab_size=size, model_type="bpe",
                byte_fallback=True, character_coverage=0.9999, num_threads=1, minloglevel=2,
                pad_id=PAD, unk_id=UNKNOWN, bos_id=BEGIN, eos_id=END,
            )  # fmt: skip
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"vocabulary.size={size}: {reason}; give fewer pieces, at least 300") from None
        return cls(base64.b64encode(model.getvalue()).decode())

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """Return the pieces of each line; the last is `END`."""
        return self._pieces.encode(list(lines), add_eos=True)

    def decode(self, pieces: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of pieces, in one line; those that are no text are left out."""
        texts = (self._pieces.decode([int(one) for one in some if one > END]) for some in pieces)
        return [" ".join(text.split()) for text in texts]  # pieces that stand for bytes may spell the end of a line
