#!/usr/bin/env bash
# The model that comes with vqspeech: the codes of egs/librispeech, kept, and a fast decoder for them that learns the voices
# of LibriSpeech and VCTK together. To be run after egs/librispeech, with the folder of VCTK as --corpus.
# shellcheck disable=SC2034 # the variables are for the pipeline
# shellcheck disable=SC2154 # what the pipeline sets
set -euo pipefail
corpus_name=vctk
confs=(pretrained)
extras=(align eval)
unseen=2 # speakers that egs/librispeech held out: encoder and codebook never heard them
targets=${TARGETS:-18}
prior=
babble=

download() { die "name the folder of VCTK by --corpus, as for egs/vctk"; }

# Training speakers of LibriSpeech in the parts they have there; the unseen ones and VCTK's split alike. Sources of
# conversions are held-out sentences of the unseen ones.
prepare() {
  local libri=../librispeech/data part
  [ -f "$libri/unseen/wav.scp" ] || die "no $libri/unseen; first: bash egs/librispeech/run.sh --unseen 2"
  once data/vctk/all/wav.scp -- vqspeech prepare vctk --corpus "$corpus" --out data/vctk/all --nj "$nj"
  once data/vctk/train/wav.scp data/vctk/all/wav.scp -- vqspeech split data/vctk/all --out data/vctk
  once data/readers/train/wav.scp "$libri/unseen/wav.scp" -- vqspeech split "$libri/unseen" --share 0.1 --out data/readers
  for part in train dev test; do
    once "data/$part/wav.scp" "$libri/$part/wav.scp" "data/vctk/$part/wav.scp" "data/readers/$part/wav.scp" -- \
      vqspeech combine "$libri/$part" "data/vctk/$part" "data/readers/$part" --out "data/$part"
  done
  once data/all/wav.scp data/train/wav.scp -- vqspeech combine data/train data/dev data/test --out data/all
  once data/unseen/wav.scp data/readers/test/wav.scp -- vqspeech combine data/readers/test --out data/unseen
}

# shellcheck source=../../recipes/voice_conversion.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../recipes/voice_conversion.sh"
