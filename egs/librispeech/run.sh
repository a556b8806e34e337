#!/usr/bin/env bash
# LibriSpeech, any subsets. Without --corpus, $SUBSETS (default: train-clean-100, 6 GB) are downloaded.
# shellcheck disable=SC2034 # the variables are for the pipeline
set -euo pipefail
corpus_name=librispeech
confs=(librispeech_world)
extras=(align eval)
prepare_options=()
unseen=
targets=6
prior=${PRIOR:-prior} # PRIOR=mini_prior: a smaller one, for a few hours of speech
babble=${BABBLE:-} # BABBLE=babble: also a WaveNet without codes, which takes as long as the model itself
judge=${JUDGE-units} # JUDGE=: judge samples by words alone, which saves minutes

download() {
  local subset
  for subset in ${SUBSETS:-train-clean-100}; do
    if [ -d "$corpus/LibriSpeech/$subset" ]; then
      log "$corpus/LibriSpeech/$subset is there already"
      continue
    fi
    fetch "https://www.openslr.org/resources/12/$subset.tar.gz" "$corpus/$subset.tar.gz"
    run tar -xzf "$corpus/$subset.tar.gz" -C "$corpus"
  done
}

# shellcheck source=../../recipes/voice_conversion.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../recipes/voice_conversion.sh"
