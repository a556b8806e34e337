"""Join an encoder and the decoder that tools/gpu/voice.py trained on it, and name voices.

Usage: python tools/gpu/join.py --content MODEL --voice FILE --named DATA … --out model.safetensors

Each speaker of the data directories becomes a named voice of the model, computed from all recordings of that speaker.
`vqspeech export` then writes a smaller file to share.
"""

import argparse
import sys
from pathlib import Path

# The toolkit of this checkout, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vqspeech import audio
from vqspeech.data.datadir import DataDir
from vqspeech.errors import VqspeechError
from vqspeech.jobs import Skipped
from vqspeech.models.voice import add_recorded_voices
from vqspeech.training.voices import join_voice


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--content", required=True, metavar="MODEL", help="the encoder that the decoder was trained on")
    parser.add_argument("--voice", required=True, metavar="FILE", help="decoder that tools/gpu/voice.py wrote")
    parser.add_argument("--named", nargs="*", default=[], metavar="DATA", help="data directories of named voices")
    parser.add_argument("--out", required=True, metavar="FILE", help="model to write (.safetensors)")
    args = parser.parse_args()
    model = join_voice(args.content, args.voice)
    voices, genders, skipped = [], {}, Skipped()
    for data in map(DataDir.read, args.named):
        for speaker, utterances in data.by_speaker.items():
            waves = []
            for one in utterances:
                try:
                    waves.append(audio.read_waveform(one.path, one.start, one.end))
                except VqspeechError as error:
                    skipped.add(one.id, error)
            try:
                voices.append(model.make_voice(waves, speaker))
            except VqspeechError as error:
                skipped.add(speaker, error)
                continue
            if utterances[0].gender:
                genders[speaker] = utterances[0].gender
            print(f"{speaker}: {voices[-1].seconds:.0f} s of speech")
    add_recorded_voices(model, voices, genders).save_pretrained(args.out)
    print(args.out)
    return skipped.status(len(voices))


if __name__ == "__main__":
    sys.exit(main())
