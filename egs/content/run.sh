#!/usr/bin/env bash
# Units by masked prediction, from any corpora, without transcripts: a content encoder, codebooks of its features, and
# how well the codes identify the phones of unseen speakers; RESULTS.md.
# shellcheck disable=SC2034,SC2154 # the variables are for the stage runner, and its own
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
stages=("0 prepare" "1 align" "2 dump" "3 train" "6 units" "9 score")
conf=content_small
unseen=0
rounds=${ROUNDS:-3}
usage_more="Corpora, as KIND:DIR, where KIND is a corpus of vqspeech prepare (--corpus DIR: one folder of recordings, folder:DIR):
  TRAIN=\"librispeech:/data/LibriSpeech folder:/data/voices\" TEST=librispeech:/data/LibriSpeech bash $0
TEST: the maps from codes to phones are fitted on its readers in splits/dev, and those in splits/test are scored; without
TEST nothing is scored. Nothing is trained on these readers, nor on splits/voices_held_out.
ROUNDS=3, BASELINES=\"units_kmeans units_lda\", PER_SPEAKER=20: utterances of each scored reader; twice as many for the maps
VQVAE=20: a VQ-VAE whose encoder starts from the trained one, too, for so many minutes (the dump takes longer: WORLD frames)
Configurations: content_small (two cores), content (a GPU); settings KEY=VALUE change it, such as training.minutes=60"
# shellcheck source=../../recipes/stages.sh
. "$root/recipes/stages.sh"
parse_options "$@"
read -ra train <<<"${TRAIN:-${corpus:+folder:$corpus}}"
read -ra test <<<"${TEST:-}"
read -ra baselines <<<"${BASELINES:-units_kmeans units_lda}"
per_speaker=${PER_SPEAKER:-20}
vqvae=${VQVAE:-}
[ ${#train[@]} -gt 0 ] || die "no corpus; pass a folder of recordings as --corpus DIR, or several as TRAIN; see --help"
[[ $rounds =~ ^[1-9][0-9]*$ ]] || die "ROUNDS needs a number, not '$rounds'"
exp=exp/${tag:-$conf}
[ "$ngpu" != 0 ] || export CUDA_VISIBLE_DEVICES=""
bash "$root/tools/install.sh" align
export PATH="$root/.venv/bin:$PATH"
cd -- "$root/egs/content"

# prepare_corpora NAME KIND:DIR ...: make data/NAME of all these corpora.
prepare_corpora() {
  local name=$1 word parts=()
  shift
  for word in "$@"; do
    [[ $word == *:* ]] || die "'$word': name a corpus as KIND:DIR, such as folder:/data/voices"
    parts+=("data/corpora/$name-${#parts[@]}")
    once "${parts[-1]}/wav.scp" -- vqspeech prepare "${word%%:*}" --corpus "${word#*:}" --out "${parts[-1]}" "${work[@]}"
  done
  once "data/$name/wav.scp" "${parts[@]/%//wav.scp}" -- vqspeech combine "${parts[@]}" --out "data/$name"
}

# speakers_in NAME FILE ...: print the speakers listed in the files that data/NAME has.
speakers_in() {
  local name=$1
  shift
  cat -- "$@" | awk 'NR == FNR { there[$1]; next } $1 in there { print $1 }' "data/$name/spk2utt" -
}

stage_prepare() {
  local held part count
  prepare_corpora all "${train[@]}"
  mapfile -t held < <(speakers_in all splits/dev splits/test splits/voices_held_out)
  if [ ${#held[@]} -gt 0 ]; then held=(--unseen-speakers "${held[@]}"); else held=(--unseen "$unseen"); fi
  once data/train/wav.scp data/all/wav.scp -- vqspeech split data/all --out data --share 0.01 "${held[@]}"
  [ ${#test[@]} -gt 0 ] || return 0
  prepare_corpora readers "${test[@]}"
  for part in dev test; do
    mapfile -t held < <(speakers_in readers "splits/$part")
    [ ${#held[@]} -gt 0 ] || die "TEST has no reader of splits/$part"
    [ "$part" = test ] && count=$per_speaker || count=$((2 * per_speaker))
    once "data/map_$part/wav.scp" data/readers/wav.scp -- \
      vqspeech subset data/readers --speakers "${held[@]}" --per-speaker "$count" --out "data/map_$part"
  done
}

stage_align() {
  local part
  if [ ${#test[@]} = 0 ]; then
    log "TEST is not set: nothing to align"
    return
  fi
  for part in dev test; do
    once "data/map_${part}_aligned/utt2ali" "data/map_$part/wav.scp" -- \
      vqspeech align "data/map_$part" --out "data/map_${part}_aligned" "${work[@]}"
  done
}

stage_dump() {
  local part world=()
  [ -z "$vqvae" ] || world=(--world)
  for part in train dev; do
    once "dump/$part/index.json" "data/$part/wav.scp" -- \
      vqspeech dump "data/$part" --out "dump/$part" "${work[@]}" ${world[@]+"${world[@]}"}
  done
}

# train_experiment EXP INPUT -- OPTION ...: train on the dump.
train_experiment() {
  local out=$1 input=$2
  shift 3
  once "$out/best.safetensors" dump/train/index.json "$input" -- \
    vqspeech train --train dump/train --dev dump/dev --out "$out" ${restart[@]+"${restart[@]}"} "$@"
}

# Train the encoder with 500 codes at 50 Hz; then, on the same features, 128 at 25 Hz after each round, and two codes per frame.
stage_train() {
  local one round settings=(--conf "$conf" ${overrides[@]+"${overrides[@]}"})
  for one in "${baselines[@]}"; do
    train_experiment "exp/$one" dump/dev/index.json -- --conf "$one"
  done
  train_experiment "$exp" dump/dev/index.json -- "${settings[@]}" "training.rounds=$rounds"
  for ((round = 1; round <= rounds; round++)); do
    train_experiment "${exp}_round$round" "$exp/round-$round.safetensors" -- "${settings[@]}" \
      "training.start=$exp/round-$round.safetensors" "training.rounds=$round" encoder.hop=4 quantizer.codes=128
  done
  train_experiment "${exp}_two" "$exp/last.safetensors" -- "${settings[@]}" \
    "training.start=$exp/last.safetensors" "training.rounds=$rounds" quantizer=residual quantizer.codes=512
  [ -z "$vqvae" ] || train_experiment "${exp}_vqvae" "$exp/best.safetensors" -- \
    --conf content_vqvae "training.start=$exp/best.safetensors" "training.minutes=$vqvae"
}

# Print all experiments, in the order of the table; the shipped units have a folder too, without a model.
experiments() {
  local one round
  for one in "${baselines[@]}"; do echo "exp/$one"; done
  for ((round = 1; round <= rounds; round++)); do echo "${exp}_round$round"; done
  printf '%s\n' "$exp" "${exp}_two"
  [ -z "$vqvae" ] || echo "${exp}_vqvae"
  echo exp/units
}

stage_units() {
  local one model part parts=(train) features inputs
  [ ${#test[@]} = 0 ] || parts=(map_dev map_test)
  while read -r one; do
    model=$one/best.safetensors inputs=("$one/best.safetensors")
    [ "$one" != exp/units ] || model=units inputs=()
    for part in "${parts[@]}"; do
      features=()
      [ "$part" != map_test ] || [ "$one" = "${exp}_two" ] || features=(--features "$one/features/$part")
      once "$one/units/$part.txt" "data/$part/wav.scp" ${inputs[@]+"${inputs[@]}"} -- \
        vqspeech encode --model "$model" --data "data/$part" --out "$one/units/$part.txt" "${work[@]}" \
        ${features[@]+"${features[@]}"}
    done
  done < <(experiments)
}

stage_score() {
  local folders
  if [ ${#test[@]} = 0 ]; then
    log "TEST is not set: nothing to score"
    return
  fi
  mapfile -t folders < <(experiments)
  once exp/mapping/scores.json "${folders[@]/%//units/map_test.txt}" data/map_test_aligned/utt2ali -- \
    vqspeech score mapping "${folders[@]}" --fit map_dev data/map_dev_aligned --score map_test data/map_test_aligned \
    --abx --out exp/mapping/scores.json --nj "$nj"
  write_results exp/mapping/
}

run_stages
