#!/usr/bin/env bash
# Codes against phones at 25 Hz with 128 codes: models compared on unseen speakers; RESULTS.md.
# shellcheck disable=SC2034,SC2154 # the variables are for the stage runner, and its own
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
stages=("0 prepare" "1 align" "2 dump" "3 train" "6 units" "9 score")
# the others are compared with the first
read -ra confs <<<"${CONFS:-units_kmeans units_kmeans_static units_lda}"
best=units_lda                 # gets its own report
per_speaker=${PER_SPEAKER:-20} # utterances of each speaker to fit the maps on
usage_more="Configurations: ${confs[*]}; others by CONFS=\"NAME ...\" bash $0
The paper's, units25 or units25_ema, needs a GPU for hours: CONFS=\"${confs[*]} units25\"; settings KEY=VALUE change it.
PER_SPEAKER=20: utterances per speaker to fit the map from codes to phones on"
# shellcheck source=../../recipes/stages.sh
. "$root/recipes/stages.sh"
parse_options "$@"
[ -z "$tag" ] || die "--tag: the experiments are named after their configurations; leave it out"
[ -z "$conf" ] || best=$conf confs=("${confs[0]}" "$conf")
[ "$ngpu" != 0 ] || export CUDA_VISIBLE_DEVICES=""
bash "$root/tools/install.sh" align
export PATH="$root/.venv/bin:$PATH"
cd -- "$root/egs/librispeech"

stage_prepare() {
  local count
  [ -d "${corpus:=downloads}" ] || die "no corpus here; pass its folder as --corpus DIR, or: bash run.sh --stage download --stop-stage download"
  once data/all/wav.scp -- vqspeech prepare librispeech --corpus "$corpus" --out data/all --nj "$nj"
  count=$(hold_out data/all)
  once data/train/wav.scp data/all/wav.scp -- vqspeech split data/all --out data --unseen "$count"
  once data/map/wav.scp data/train/wav.scp -- vqspeech subset data/train --per-speaker "$per_speaker" --out data/map
}

stage_align() {
  local part
  for part in map unseen; do
    once "data/${part}_aligned/utt2ali" "data/$part/wav.scp" -- \
      vqspeech align "data/$part" --out "data/${part}_aligned" --nj "$nj"
  done
}

# Speech only: none of these models needs WORLD frames.
stage_dump() {
  local part
  for part in train dev; do
    once "dump/levels/$part/index.json" "data/$part/wav.scp" -- \
      vqspeech dump "data/$part" --out "dump/levels/$part" --nj "$nj"
  done
}

stage_train() {
  local one settings
  for one in "${confs[@]}"; do
    settings=()
    [[ $one != units25* ]] || settings=(${overrides[@]+"${overrides[@]}"})
    once "exp/$one/best.safetensors" dump/levels/train/index.json -- \
      vqspeech train --conf "$one" --train dump/levels/train --dev dump/levels/dev --out "exp/$one" \
      ${restart[@]+"${restart[@]}"} ${settings[@]+"${settings[@]}"}
  done
}

stage_units() {
  local one part
  for one in "${confs[@]}"; do
    for part in map unseen; do
      once "exp/$one/units/$part.txt" "exp/$one/best.safetensors" "data/$part/wav.scp" -- \
        vqspeech encode --model "exp/$one/best.safetensors" --data "data/$part" --out "exp/$one/units/$part.txt" --nj "$nj"
    done
  done
}

stage_score() {
  local one units=()
  for one in "${confs[@]}"; do
    units+=("exp/$one/units/unseen.txt" "exp/$one/units/map.txt")
  done
  once exp/units/scores.json "${units[@]}" data/map_aligned/utt2ali data/unseen_aligned/utt2ali -- \
    vqspeech score mapping "${confs[@]/#/exp/}" --fit map data/map_aligned --score unseen data/unseen_aligned \
    --out exp/units/scores.json --nj "$nj"
  once "exp/units/scores.json#$best" "exp/$best/units/unseen.txt" data/unseen_aligned/utt2ali -- \
    vqspeech score units --units "exp/$best/units/unseen.txt" --data data/unseen_aligned \
    --model "exp/$best/best.safetensors" --abx --section "$best" --report exp/units --out exp/units/scores.json --nj "$nj"
  write_results exp/*/
}

run_stages
