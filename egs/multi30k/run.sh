#!/usr/bin/env bash
# Translation with discrete latents (1805.11063): a teacher, its translations, a latent model, baselines, studies; RESULTS.md.
# shellcheck disable=SC2034,SC2154 # the variables are for the stage runner, and its own
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
stages=("-1 download" "0 prepare" "1 teacher" "2 distil" "3 train" "4 study" "9 score")
usage_more="Without --corpus, Multi30k is downloaded. With --corpus DIR: multi30k.PART.en.gz and .de.gz, PART train, val, test2016;
further pairs of files in it are added to training by MORE=\"news2013 news2015\", the test is
multi30k.test2016, or any other by TEST=news2014.
Minutes of each training: TEACHER=25 LATENT=30 PARALLEL=20
STUDY=450: steps of each of thirteen models of the studies (0: no studies), for each of SEEDS=3 seeds"
# shellcheck source=../../recipes/stages.sh
. "$root/recipes/stages.sh"
parse_options "$@"
teacher=${TEACHER:-25} latent=${LATENT:-30} parallel=${PARALLEL:-20} study=${STUDY:-450} seeds=${SEEDS:-3}
test=${TEST:-multi30k.test2016}
read -ra more <<<"${MORE:-}"
[ "$ngpu" != 0 ] || export CUDA_VISIBLE_DEVICES=""
bash "$root/tools/install.sh" text
export PATH="$root/.venv/bin:$PATH"
cd -- "$root/egs/multi30k"
given=$corpus
corpus=${corpus:-downloads}
dev=(--dev "$corpus/multi30k.val.en.gz" "$corpus/multi30k.val.de.gz")
raw=(--train "$corpus/multi30k.train.en.gz" "$corpus/multi30k.train.de.gz")
for one in ${more[@]+"${more[@]}"}; do raw+=(--train "$corpus/$one.en.gz" "$corpus/$one.de.gz"); done
data=(--data "$corpus/$test.en.gz" "$corpus/$test.de.gz")
sizes=_small
# shellcheck source=../../recipes/translation.sh
. "$root/recipes/translation.sh"

stage_download() {
  local part side name
  if [ -n "$given" ]; then
    log "--corpus is given, nothing to download"
    return
  fi
  mkdir -p "$corpus"
  for part in train val test_2016_flickr; do
    for side in en de; do
      name=$corpus/multi30k.${part/_2016_flickr/2016}.$side.gz
      [ -f "$name" ] || run curl -fsSL -o "$name" \
        "https://github.com/multi30k/dataset/raw/master/data/task1/raw/$part.$side.gz"
    done
  done
}

run_stages
