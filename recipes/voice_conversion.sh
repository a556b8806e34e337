# shellcheck shell=bash
# shellcheck disable=SC2154 # what the recipe sets
# Discrete units and voice conversion: from a corpus to RESULTS.md. Sourced by egs/*/run.sh with its arguments, after
# it has set what is specific to its corpus:
#   corpus_name      corpus, by its name for `vqspeech prepare`
#   confs            configurations to train, in order, without --conf
#   extras           extras to install (see pyproject.toml)
#   prepare_options  further options of `vqspeech prepare`
#   unseen           number of speakers to hold out; empty: ten, or a third of fewer than 30
#   targets          number of voices to convert to
#   prior            configuration of the prior over the codes of the first model; empty: none
#   babble           configuration of a WaveNet without codes to compare samples with; empty: none
#   judge            model whose units the language model that judges samples is trained on; not the judged model; empty: none
#   download         function that downloads the corpus into the folder $corpus
set -euo pipefail

stages=("-1 download" "0 prepare" "1 validate" "2 dump" "3 train" "4 reconstruct" "5 convert" "6 units" "7 prior" "8 sample" "9 score")
usage_more="Configurations of this recipe: ${confs[*]}
Parts to align, by default only test and unseen: ALIGN=\"train dev test unseen\" bash $0"
# shellcheck source=experiments.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/experiments.sh"

# Print the data directory of utterances to convert: of unseen speakers, if the recipe holds some out.
sources() { if [ -d data/unseen ]; then echo data/unseen; else echo data/test; fi; }

# Print the voices to convert to: training speakers, spread evenly over the list, women before men if genders are known.
target_voices() {
  if [ -f data/train/spk2gender ]; then
    LC_ALL=C sort -k2,2 -k1,1 data/train/spk2gender | spread "$targets"
  else
    spread "$targets" <data/train/spk2utt
  fi
}

# spread N: print the first words of N lines of the input, evenly spaced.
spread() { awk -v n="$1" '{ line[NR] = $1 } END { if (n > NR) n = NR; for (i = 0; i < n; i++) print line[int(i * NR / n) + 1] }'; }

# fetch URL FILE: download, resuming a partial download; FILE gets its name when it is complete.
fetch() {
  [ ! -f "$2" ] || return 0
  command -v curl >/dev/null || die "curl is not installed; install it, or download $1 yourself and pass its folder as --corpus"
  log "downloading $1"
  curl --fail --location --continue-at - --retry 3 --connect-timeout 20 --output "$2.part" "$1" ||
    die "could not download $1 (is there a network?); download and unpack it yourself, and pass its folder as --corpus DIR"
  mv -- "$2.part" "$2"
}

stage_prepare() {
  if [ ! -d "$corpus" ] && [ "$corpus_name" != mini ]; then
    die "no corpus in $recipe/$corpus; pass its folder as --corpus DIR, or download it with --stage download"
  fi
  local count prepare_work=("${work[@]}")
  [ "$corpus_name" != mini ] || prepare_work=(--nj "$nj")
  once data/all/wav.scp -- vqspeech prepare "$corpus_name" --corpus "$corpus" --out data/all "${prepare_work[@]}" ${prepare_options[@]+"${prepare_options[@]}"}
  count=$(hold_out data/all)
  once data/train/wav.scp data/all/wav.scp -- vqspeech split data/all --out data --unseen "$count"
}

stage_validate() {
  once "data/all#validate" data/all/wav.scp -- vqspeech validate data/all --nj "$nj"
  align
}

# Align parts that have no phone times; also the test part of a corpus that has them, to score the aligner against them.
align() {
  local part
  if ! python -c "import pocketsphinx" 2>/dev/null; then
    log "no aligner (pocketsphinx); install it with: bash tools/install.sh align"
    return
  fi
  for part in ${ALIGN:-test unseen}; do
    if [ ! -f "data/$part/text" ] || { [ -f "data/$part/utt2ali" ] && [ "$part" != test ]; }; then
      continue
    fi
    once "data/${part}_aligned/utt2ali" "data/$part/wav.scp" -- \
      vqspeech align "data/$part" --out "data/${part}_aligned" "${work[@]}"
    if [ -f "data/$part/utt2ali" ]; then
      once exp/alignment/scores.json "data/${part}_aligned/utt2ali" -- vqspeech score alignment \
        --data "data/${part}_aligned" --reference "data/$part" --out exp/alignment/scores.json --nj "$nj"
    fi
  done
}

# Print the data directory of a part with phone times: its own, or the aligner's if some are missing.
with_phones() {
  local own
  own=$({ cat "data/$1/utt2ali" 2>/dev/null || true; } | wc -l)
  if [ -d "data/$1_aligned" ] && [ "$own" -lt "$(wc -l <"data/$1/utt2spk")" ]; then echo "data/$1_aligned"; else echo "data/$1"; fi
}

stage_dump() {
  local part
  for part in train dev; do
    once "dump/$part/index.json" "data/$part/wav.scp" -- vqspeech dump "data/$part" --out "dump/$part" --world "${work[@]}"
  done
}

stage_train() { each_experiment train; }
train() { # conf exp
  once "$2/best.safetensors" dump/train/index.json dump/dev/index.json -- \
    "${trainer[@]}" train --conf "$1" --train dump/train --dev dump/dev --out "$2" ${restart[@]+"${restart[@]}"} ${overrides[@]+"${overrides[@]}"}
}

stage_reconstruct() { each_experiment reconstruct; }
reconstruct() { # conf exp
  once "$2/reconstructed" "$2/best.safetensors" -- \
    vqspeech reconstruct --model "$2/best.safetensors" --data data/test --out "$2/reconstructed" --limit "$limit"
}

stage_convert() { each_experiment convert; }
convert() { # conf exp
  local voices
  mapfile -t voices < <(target_voices)
  once "$2/converted" "$2/best.safetensors" -- \
    vqspeech convert --model "$2/best.safetensors" --data "$(sources)" --speaker "${voices[@]}" --out "$2/converted" --limit "$limit"
}

stage_units() { each_experiment units; }
units() { # conf exp
  local part
  for part in train dev test unseen; do
    [ -d "data/$part" ] || continue
    once "$2/units/$part.txt" "$2/best.safetensors" "data/$part/wav.scp" -- \
      vqspeech encode --model "$2/best.safetensors" --data "data/$part" --out "$2/units/$part.txt" "${work[@]}"
  done
  part=$(with_phones test)
  if [ -f "$part/utt2ali" ]; then
    once "$2/scores.json#units" "$2/units/test.txt" "$part/utt2ali" -- \
      vqspeech score units --units "$2/units/test.txt" --data "$part" --model "$2/best.safetensors" --abx --report "$2" \
      --out "$2/scores.json"
  else
    log "data/test has no phone alignments (utt2ali): the phone report is skipped"
  fi
}

# The prior, and the WaveNet that samples are compared with, are saved within the first experiment.
stage_prior() {
  if [ -z "$prior" ]; then
    log "this recipe trains no prior"
    return
  fi
  local exp
  exp=$(first_experiment)
  once "$exp/prior/best.safetensors" "$exp/units/train.txt" "$exp/units/dev.txt" -- \
    "${trainer[@]}" prior --conf "$prior" --units "$exp/units/train.txt" --dev "$exp/units/dev.txt" \
    --data data/train data/dev --out "$exp/prior" ${restart[@]+"${restart[@]}"}
  once "$exp/scores.json#prior" "$exp/prior/best.safetensors" "$exp/units/test.txt" -- \
    vqspeech score prior --prior "$exp/prior/best.safetensors" --units "$exp/units/test.txt" \
    --train "$exp/units/train.txt" --dev "$exp/units/dev.txt" --data data/train data/dev data/test --out "$exp/scores.json"
  if [ -n "$babble" ]; then
    once "$exp/babble/best.safetensors" dump/train/index.json dump/dev/index.json -- \
      "${trainer[@]}" train --conf "$babble" --train dump/train --dev dump/dev --out "$exp/babble" ${restart[@]+"${restart[@]}"}
  fi
}

# Train a language model that distinguishes speech from babble: of another kind than priors and n-grams, on units of another encoder.
train_judge() { # folder
  local part
  for part in train dev; do
    once "$1/units/$part.txt" "data/$part/wav.scp" -- \
      vqspeech encode --model "$judge" --data "data/$part" --out "$1/units/$part.txt" "${work[@]}"
  done
  once "$1/best.safetensors" "$1/units/train.txt" "$1/units/dev.txt" -- "${trainer[@]}" prior --conf judge_prior \
    --units "$1/units/train.txt" --dev "$1/units/dev.txt" --out "$1" ${restart[@]+"${restart[@]}"}
}

stage_sample() {
  if [ -z "$prior" ]; then
    log "this recipe trains no prior, so there is nothing to sample"
    return
  fi
  local exp folder folders=() stamps=() phones=() judged=()
  exp=$(first_experiment)
  if [ -n "$judge" ]; then
    train_judge "$exp/judge"
    judged=(--judge "$exp/judge/best.safetensors" --judge-model "$judge")
    stamps+=("$exp/judge/best.safetensors")
  fi
  draw prior "$exp/prior/best.safetensors" --model "$exp/best.safetensors" --prior "$exp/prior/best.safetensors"
  draw unigram "$exp/units/train.txt" --model "$exp/best.safetensors" --ngram 1 --units "$exp/units/train.txt"
  draw trigram "$exp/units/train.txt" --model "$exp/best.safetensors" --ngram 3 --units "$exp/units/train.txt"
  [ -z "$babble" ] || draw babble "$exp/babble/best.safetensors" --model "$exp/babble/best.safetensors"
  for folder in "$exp"/samples/*/; do
    folders+=("$(basename "$folder")=${folder%/}")
    stamps+=("$(stamp_of "${folder%/}")")
  done
  [ ! -f "$(with_phones test)/utt2ali" ] || phones=(--phones "$exp/units/test.txt" "$(with_phones test)")
  once "$exp/scores.json#samples" "${stamps[@]}" "$(stamp_of "$exp/reconstructed")" -- \
    vqspeech score samples --model "$exp/best.safetensors" --samples "${folders[@]}" --data data/test \
    --reconstructed "$exp/reconstructed" --train "$exp/units/train.txt" --dev "$exp/units/dev.txt" \
    ${phones[@]+"${phones[@]}"} ${judged[@]+"${judged[@]}"} --out "$exp/scores.json"
}
draw() { # name input option...
  local out
  out=$(first_experiment)/samples/$1
  once "$out" "$2" -- vqspeech sample "${@:3}" --n "$limit" --seconds 5 --out "$out"
}

stage_score() {
  each_experiment score
  write_results exp/*/
}
score() { # conf exp
  local data=(data/test)
  [ "$(sources)" = data/test ] || data+=("$(sources)")
  once "$2/scores.json#conversion" "$(stamp_of "$2/converted")" "$(stamp_of "$2/reconstructed")" -- \
    vqspeech score conversion --data "${data[@]}" --converted "$2/converted" --reconstructed "$2/reconstructed" \
    --targets-data data/train --out "$2/scores.json"
  once "$2/scores.json#training" "$2/best.safetensors" -- \
    vqspeech score training "$2" --data dump/dev --out "$2/scores.json"
  run vqspeech draw "$2" --data "${data[@]}"
}

run_stages
