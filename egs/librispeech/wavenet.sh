#!/usr/bin/env bash
# A WaveNet for the codes of the fast decoder, and its learning curve: scores of the models saved during training, one
# row each, beside the recordings and the fast decoder on the same sentences: RESULTS.md, `curve`.
# shellcheck disable=SC2034,SC2154 # the variables are for the stage runner, and its own
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
stages=("3 train" "5 convert" "9 score")
limit=16
first=librispeech_world # whose codes and frames it decodes
conf=librispeech_wavenet
windows=${WINDOWS:-32}  # of held-out speech to measure the loss on
cooler=${COOLER:-0.8}   # the last model is sampled at this temperature, too
usage_more="Sentences of 3 to 6 s of the unseen speakers (--limit) are converted to the voices of a woman and a man of the training speakers.
Settings KEY=VALUE change the WaveNet, for example training.steps=50000; run.sh trains $first"
# shellcheck source=../../recipes/stages.sh
. "$root/recipes/stages.sh"
parse_options "$@"
exp=exp/${tag:-$conf}
[ "$ngpu" != 0 ] || export CUDA_VISIBLE_DEVICES=""
bash "$root/tools/install.sh" align eval
export PATH="$root/.venv/bin:$PATH"
cd -- "$root/egs/librispeech"

# Print the folders to compare: the fast decoder, the models saved during training, and the last one at a lower temperature.
compared() { printf '%s\n' "$exp/fast" "$exp"/kept/*/ "$exp/cooler" | sed 's:/$::'; }

stage_train() {
  bash run.sh --stop-stage train --conf "$first" ${unseen:+--unseen "$unseen"} --nj "$nj" --ngpu "$ngpu" ${corpus:+--corpus "$corpus"}
  once "$exp/best.safetensors" "exp/$first/best.safetensors" dump/train/index.json dump/dev/index.json -- \
    vqspeech train --conf "$conf" --train dump/train --dev dump/dev --out "$exp" ${restart[@]+"${restart[@]}"} \
    ${overrides[@]+"${overrides[@]}"}
  local kept=("$exp"/kept/*/)
  mkdir -p "$exp/fast" "$exp/cooler"
  cp -p "exp/$first/best.safetensors" "$exp/fast/"
  cp -p "${kept[${#kept[@]} - 1]}best.safetensors" "$exp/cooler/"
}

stage_convert() {
  local one voices temperature
  awk -v n="$limit" '$2 >= 3 && $2 <= 6 { id[m++] = $1 }
    END { for (i = 0; i < n && i < m; i++) print id[int(i * m / (n < m ? n : m))] }' data/unseen/utt2dur >data/curve.list
  once data/curve/wav.scp data/unseen/wav.scp -- \
    vqspeech subset data/unseen --utterance-list data/curve.list --out data/curve
  mapfile -t voices < <(awk '!seen[$2]++ { print $1 }' data/train/spk2gender)
  for one in $(compared); do
    temperature=1
    [ "$one" != "$exp/cooler" ] || temperature=$cooler
    once "$one/converted" "$one/best.safetensors" data/curve/wav.scp -- \
      vqspeech convert --model "$one/best.safetensors" --data data/curve --speaker "${voices[@]}" \
      --temperature "$temperature" --out "$one/converted"
  done
}

stage_score() {
  local one kept=() judged=()
  for one in $(compared); do
    once "$one/scores.json#conversion" "$(stamp_of "$one/converted")" -- \
      vqspeech score conversion --data data/curve --converted "$one/converted" --targets-data data/train --enrol 4 \
      --out "$one/scores.json" --nj "$nj"
    judged+=("$(stamp_of "$one/scores.json#conversion")")
    [ "$(dirname "$one")" = "$exp/kept" ] || continue
    once "$one/scores.json#training" "$one/best.safetensors" -- \
      vqspeech score training "$one" --data dump/dev --windows "$windows" --out "$one/scores.json"
    kept+=("$one")
  done
  once "$exp/scores.json#curve" "${judged[@]}" -- \
    vqspeech score curve "${kept[@]}" \
    --beside "fast decoder=$exp/fast" "the last, at temperature $cooler=$exp/cooler" --out "$exp/scores.json"
  run vqspeech draw "$exp" --data data/curve
  run vqspeech draw "${kept[${#kept[@]} - 1]}" --data data/curve
  cp "${kept[${#kept[@]} - 1]}"/pictures/*.png "$exp/pictures/"
  write_results exp/*/
}

run_stages
