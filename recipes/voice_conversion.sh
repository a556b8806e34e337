# shellcheck shell=bash
# shellcheck disable=SC2154 # what the recipe sets
# Discrete units and voice conversion, from a corpus to RESULTS.md. To be sourced by egs/*/run.sh with its arguments, after
# it has set what is special about its corpus:
#   corpus_name      corpus, as `vqspeech prepare` knows it
#   confs            configurations to train, in turn, where none is named by --conf
#   extras           extras to install (see pyproject.toml)
#   prepare_options  further options of `vqspeech prepare`
#   unseen           number of speakers held out as a whole
#   targets          number of voices to convert to
#   download         function that puts the corpus into the folder $corpus
set -euo pipefail

recipes=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname -- "$recipes")
recipe=$(cd -- "$(dirname -- "${BASH_SOURCE[1]}")" && pwd) # the folder of run.sh
stages=("-1 download" "0 prepare" "1 validate" "2 dump" "3 train" "4 reconstruct" "5 convert" "6 units" "9 score")
usage_more="Configurations of this recipe: ${confs[*]}"
# shellcheck source=stages.sh
. "$recipes/stages.sh"

parse_options "$@"
[ -n "$conf" ] && confs=("$conf")
[ -z "$tag" ] || [ ${#confs[@]} = 1 ] || die "--tag names one experiment, but the recipe trains ${confs[*]}; choose one by --conf"
corpus_given=$corpus
corpus=${corpus:-downloads}

bash "$root/tools/install.sh" "${extras[@]}"
export PATH="$root/.venv/bin:$PATH"
cd -- "$recipe"

# Calls a function with each configuration and its experiment folder.
each_experiment() {
  local one
  for one in "${confs[@]}"; do
    "$1" "$one" "exp/${tag:-$one}"
  done
}

# Utterances to convert: of speakers the model has never heard, where the recipe holds some out.
sources() { if [ "$unseen" -gt 0 ]; then echo data/unseen; else echo data/test; fi; }

# Voices to convert to: training speakers, spread evenly over the list, women before men where genders are known.
target_voices() {
  if [ -f data/train/spk2gender ]; then
    LC_ALL=C sort -k2,2 -k1,1 data/train/spk2gender | spread "$targets"
  else
    spread "$targets" <data/train/spk2utt
  fi
}

# The first words of as many lines of its input as its argument says, spread evenly.
spread() { awk -v n="$1" '{ line[NR] = $1 } END { if (n > NR) n = NR; for (i = 0; i < n; i++) print line[int(i * NR / n) + 1] }'; }

# fetch URL FILE: a download that goes on where it broke off and has its name only when it is complete.
fetch() {
  [ ! -f "$2" ] || return 0
  command -v curl >/dev/null || die "curl is not installed; install it, or get $1 by hand and name its folder by --corpus"
  log "getting $1"
  curl --fail --location --continue-at - --retry 3 --connect-timeout 20 --output "$2.part" "$1" ||
    die "could not get $1 (is there a network?); get it by hand, unpack it, and name its folder by --corpus DIR"
  mv -- "$2.part" "$2"
}

stage_download() {
  if [ -n "$corpus_given" ]; then
    log "--corpus is given, nothing to download"
  else
    mkdir -p "$corpus"
    download
  fi
}

stage_prepare() {
  if [ ! -d "$corpus" ] && [ "$corpus_name" != mini ]; then
    die "no corpus in $recipe/$corpus; name its folder by --corpus DIR, or get it by --stage download"
  fi
  once data/all/wav.scp -- vqspeech prepare "$corpus_name" --corpus "$corpus" --out data/all --nj "$nj" ${prepare_options[@]+"${prepare_options[@]}"}
  once data/train/wav.scp data/all/wav.scp -- vqspeech split data/all --out data --unseen "$unseen"
}

stage_validate() {
  once "data/all#validate" data/all/wav.scp -- vqspeech validate data/all --nj "$nj"
}

stage_dump() {
  local part
  for part in train dev; do
    once "dump/$part/index.json" "data/$part/wav.scp" -- vqspeech dump "data/$part" --out "dump/$part" --world --nj "$nj"
  done
}

stage_train() { each_experiment train; }
train() { # conf exp
  local vqspeech=(vqspeech)
  if [ "$ngpu" -gt 1 ]; then
    vqspeech=(torchrun --standalone --nproc_per_node "$ngpu" -m vqspeech.cli)
  elif [ "$ngpu" = 0 ]; then
    export CUDA_VISIBLE_DEVICES=""
  fi
  once "$2/best.safetensors" dump/train/index.json dump/dev/index.json -- \
    "${vqspeech[@]}" train --conf "$1" --train dump/train --dev dump/dev --out "$2" ${overrides[@]+"${overrides[@]}"}
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
      vqspeech encode --model "$2/best.safetensors" --data "data/$part" --out "$2/units/$part.txt" --nj "$nj"
  done
  if [ -f data/test/utt2ali ]; then
    once "$2/scores.json#units" "$2/units/test.txt" -- vqspeech score units --units "$2/units/test.txt" --data data/test --out "$2/scores.json"
  else
    log "data/test has no phone alignments (utt2ali): no phone report"
  fi
}

stage_score() {
  each_experiment score
  run vqspeech results exp/*/ --out RESULTS.md
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
