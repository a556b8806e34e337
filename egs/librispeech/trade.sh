#!/usr/bin/env bash
# The trade-off of bit rate and quality: the fast decoder at 25, 50 and 100 codes a second with 128 and 512 codes, each
# trained as briefly, in one table: RESULTS.md, `trade`. Usage: bash egs/librispeech/trade.sh [OPTION OF run.sh]...
set -euo pipefail
recipe=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
steps=${STEPS:-1200} # of each model; the table shows the difference between rates, not the best model
experiments=()
for rate in 25 50 100; do
  for codes in 128 512; do
    encoder=frames$rate
    [ "$rate" != 100 ] || encoder=frames
    tag=trade_${rate}hz_$codes
    options=(--conf librispeech_world --tag "$tag" "$@" "encoder=$encoder" "quantizer.codes=$codes" "training.steps=$steps")
    bash "$recipe/run.sh" --stop-stage units "${options[@]}"
    bash "$recipe/run.sh" --stage score "${options[@]}"
    experiments+=("exp/$tag")
  done
done
cd -- "$recipe"
export PATH="$recipe/../../.venv/bin:$PATH"
mkdir -p exp/trade
vqspeech score trade "${experiments[@]}" --out exp/trade/scores.json
vqspeech results ${DRAFT:+--draft} exp/*/ --out RESULTS.md
