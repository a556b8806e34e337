#!/usr/bin/env bash
# Translation with discrete latents (1805.11063): a teacher, its translations, a latent model, baselines, studies; RESULTS.md.
# shellcheck disable=SC2034,SC2154 # the variables are for the stage runner, and its own
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
stages=("-1 download" "0 prepare" "1 teacher" "2 distil" "3 train" "4 study" "9 score")
usage_more="Without --corpus, Multi30k is downloaded. With --corpus DIR: multi30k.PART.en.gz and .de.gz, PART train, val, test2016;
further pairs of files in it are added to training by MORE=\"news2013 news2015\", WMT14 is TEST=news2014 (its newstest2014).
Minutes of each training: TEACHER=35 LATENT=25 PARALLEL=15 STUDY=0 (of each of twelve models and seeds; 0: no studies)
SEEDS=3: of the studies"
# shellcheck source=../../recipes/stages.sh
. "$root/recipes/stages.sh"
parse_options "$@"
teacher=${TEACHER:-35} latent=${LATENT:-25} parallel=${PARALLEL:-15} study=${STUDY:-0} seeds=${SEEDS:-3}
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
distilled=(--train data/train.en exp/teacher/train.de)

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

# Sentences to translate by the teacher, in one file.
stage_prepare() {
  local files=() word
  for word in "${raw[@]}"; do [[ $word != *.en.gz ]] || files+=("$word"); done
  once data/train.en "${files[@]}" -- bash -c 'mkdir -p data && gzip -dc -- "$@" >data/train.en' - "${files[@]}"
}

# train_model EXP INPUT -- OPTION ...: train a model.
train_model() {
  local out=$1 input=$2
  shift 3
  once "$out/best.safetensors" "$input" -- \
    vqspeech text train "$@" "${dev[@]}" --out "$out" ${restart[@]+"${restart[@]}"} ${overrides[@]+"${overrides[@]}"}
}

stage_teacher() {
  train_model exp/teacher data/train.en -- --conf autoregressive_small "${raw[@]}" "training.minutes=$teacher"
}

# Greedy translations of the training set; status 3 means that some lines are too long and stay empty.
stage_distil() {
  once exp/teacher/train.de exp/teacher/best.safetensors -- \
    vqspeech text translate --model exp/teacher --input data/train.en --batch 256 --out exp/teacher/train.de
}

# train_student EXP MINUTES OPTION...: train on the teacher's translations, from its vocabulary and source encoder.
train_student() {
  local out=$1 minutes=$2
  shift 2
  train_model "$out" exp/teacher/train.de -- --start exp/teacher "${distilled[@]}" "training.minutes=$minutes" "$@"
}

stage_train() {
  train_student exp/latent "$latent" --conf latent_small
  train_student exp/parallel "$parallel" --conf parallel_small
}

# Each model of the studies, for STUDY minutes a seed: "NAME OPTION ..." on the teacher's translations.
variants=(
  "soft EM|"
  "hard EM|quantizer=ema"
  "VQ-VAE, eq. 3|quantizer=paper quantizer.codes=512"
  "soft EM, m = 1|quantizer.samples=1"
  "soft EM, m = 5|quantizer.samples=5"
  "soft EM, m = 25|quantizer.samples=25"
  "soft EM, 2^8 codes|quantizer.codes=256"
  "soft EM, 2^10 codes|quantizer.codes=1024"
  "soft EM, 2^12 codes|quantizer.codes=4096"
  "soft EM, 2^14 codes|quantizer.codes=16384"
)
stage_study() {
  local seed one name options folder models=() trained=()
  if [ "$study" = 0 ]; then
    log "STUDY is 0: no studies"
    return
  fi
  for ((seed = 0; seed < seeds; seed++)); do
    for one in "${variants[@]}"; do
      name=${one%%|*}
      folder=exp/study/$(tr -c 'a-z0-9\n' _ <<<"${name,,}")_$seed
      read -ra options <<<"${one#*|}"
      train_student "$folder" "$study" --conf latent_small ${options[@]+"${options[@]}"} "training.seed=$seed"
      models+=("$name=$folder")
      trained+=("$folder/best.safetensors")
    done
    train_student "exp/study/none_$seed" "$study" --conf parallel_small "training.seed=$seed"
    train_model "exp/study/not_distilled_$seed" exp/teacher/best.safetensors -- --conf latent_small --start exp/teacher \
      "${raw[@]}" "training.minutes=$study" "training.seed=$seed"
    models+=("no latents=exp/study/none_$seed" "soft EM, not distilled=exp/study/not_distilled_$seed")
  done
  once exp/study/scores.json "${trained[@]}" -- vqspeech text score study "${models[@]}" \
    --data "$corpus/$test.en.gz" "$corpus/$test.de.gz" --out exp/study/scores.json
}

stage_score() {
  local data=(--data "$corpus/$test.en.gz" "$corpus/$test.de.gz") models=(exp/{teacher,latent,parallel}/best.safetensors)
  once exp/translations/scores.json "${models[@]}" -- vqspeech text score translations exp/teacher exp/teacher:beam=4 \
    exp/latent exp/latent:lengths=3 exp/parallel exp/parallel:lengths=3 "${data[@]}" --out exp/translations/scores.json
  once exp/latent/scores.json exp/latent/best.safetensors -- \
    vqspeech text score latents exp/latent "${data[@]}" --out exp/latent/scores.json
  write_results exp/translations exp/latent exp/study
}

run_stages
