#!/usr/bin/env bash
# A small corpus of synthetic voices, made by the recipe: nothing to download, about 20 minutes on two cores.
# shellcheck disable=SC2034 # the variables are for the pipeline
set -euo pipefail
corpus_name=mini
confs=(mini_world mini_wavenet)
extras=(mini align eval)
prepare_options=()
unseen=0
targets=4
prior=mini_prior
babble=${BABBLE:-} # BABBLE=mini_babble: also a WaveNet without codes, five minutes more
judge=${JUDGE-units} # JUDGE=: judge samples by words alone, which saves minutes

download() { log "nothing to download: stage prepare makes the corpus in $corpus"; }

# shellcheck source=../../recipes/voice_conversion.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../recipes/voice_conversion.sh"
