#!/usr/bin/env bash
# WMT14 English-German, as 1805.11063 has it, at the sizes of the paper: for a GPU and days; RESULTS.md.
# shellcheck disable=SC2016,SC2034,SC2154 # scripts in quotes; the variables are for the stage runner, and its own
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
stages=("-1 download" "0 prepare" "1 teacher" "2 distil" "3 train" "4 study" "9 score")
usage_more="Without --corpus, 1.7 GB are downloaded. With --corpus DIR: europarl-v7, commoncrawl and news-commentary-v9 .de-en.en and
.de-en.de, newstest2013.en and .de (held out), newstest2014.en and .de (reported).
Minutes of each training: TEACHER=2880 LATENT=2880 PARALLEL=1440
STUDY=0: steps of each of thirteen models of the studies (0: no studies), for each of SEEDS=3 seeds
STATMT=URL: server of the archives (default: http://www.statmt.org)"
# shellcheck source=../../recipes/stages.sh
. "$root/recipes/stages.sh"
parse_options "$@"
teacher=${TEACHER:-2880} latent=${LATENT:-2880} parallel=${PARALLEL:-1440} study=${STUDY:-0} seeds=${SEEDS:-3}
server=${STATMT:-http://www.statmt.org}
[ "$ngpu" != 0 ] || export CUDA_VISIBLE_DEVICES=""
bash "$root/tools/install.sh" text
export PATH="$root/.venv/bin:$PATH"
cd -- "$root/egs/wmt14"
given=$corpus
corpus=${corpus:-downloads}
raw=()
for one in europarl-v7 commoncrawl news-commentary-v9; do
  raw+=(--train "$corpus/$one.de-en.en" "$corpus/$one.de-en.de")
done
dev=(--dev "$corpus/newstest2013.en" "$corpus/newstest2013.de")
data=(--data "$corpus/newstest2014.en" "$corpus/newstest2014.de")
sizes=""
# shellcheck source=../../recipes/translation.sh
. "$root/recipes/translation.sh"

# fetch ARCHIVE FILE...: download an archive of the workshop unless it is here, and extract the files, without their folders.
fetch() {
  local path=$1 archive=$corpus/${1##*/} file
  shift
  if [ ! -f "$archive" ]; then
    run curl -fSL --retry 3 -C - -o "$archive.part" "$server/$path"
    mv -- "$archive.part" "$archive"
  fi
  for file in "$@"; do
    once "$corpus/${file##*/}" "$archive" -- \
      bash -c 'tar -xzOf "$1" -- "$2" >"$3.part" && mv -- "$3.part" "$3"' - "$archive" "$file" "$corpus/${file##*/}"
  done
}

stage_download() {
  local side
  if [ -n "$given" ]; then
    log "--corpus is given, nothing to download"
    return
  fi
  mkdir -p "$corpus"
  fetch wmt13/training-parallel-europarl-v7.tgz training/europarl-v7.de-en.{en,de}
  fetch wmt13/training-parallel-commoncrawl.tgz commoncrawl.de-en.{en,de}
  fetch wmt14/training-parallel-nc-v9.tgz training/news-commentary-v9.de-en.{en,de}
  fetch wmt14/dev.tgz dev/newstest2013.{en,de}
  for side in "src en" "ref de"; do # all 3003 sentences
    once "$corpus/newstest2014.${side#* }" -- bash -c \
      'sacrebleu --test-set wmt14/full --language-pair en-de --echo "$1" >"$2.part" && mv -- "$2.part" "$2"' \
      - "${side% *}" "$corpus/newstest2014.${side#* }"
  done
}

run_stages
