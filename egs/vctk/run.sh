#!/usr/bin/env bash
# VCTK 0.80 or 0.92, recognised by its layout. Without --corpus, 0.92 (11 GB) is downloaded. --conf vctk: the paper's WaveNet.
# shellcheck disable=SC2034 # the variables are for the pipeline
set -euo pipefail
corpus_name=vctk
confs=(vctk_world)
extras=(align eval)
prepare_options=()
unseen=
targets=6
prior=
babble=
judge=

download() {
  if [ -d "$corpus/wav48_silence_trimmed" ] || [ -d "$corpus/VCTK-Corpus/wav48" ]; then
    log "VCTK is in $corpus already"
    return
  fi
  fetch "https://datashare.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip" "$corpus/VCTK-Corpus-0.92.zip"
  run python -m zipfile -e "$corpus/VCTK-Corpus-0.92.zip" "$corpus"
}

# shellcheck source=../../recipes/voice_conversion.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../recipes/voice_conversion.sh"
