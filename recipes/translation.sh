# shellcheck shell=bash
# shellcheck disable=SC2154 # what the recipe and the stage runner set
# Stages of translation with discrete latents (1805.11063), for recipes that source stages.sh and set:
#   raw     (--train SOURCE TARGET ...)  pairs of text files to learn from, plain or gzip
#   dev     (--dev SOURCE TARGET)        held-out pairs
#   data    (--data SOURCE TARGET)       pairs to report on
#   sizes   ending of the names of configurations: _small or nothing
#   teacher latent parallel              minutes of each training
#   study   steps of each training of the studies; 0: no studies
#   seeds   of the studies
distilled=(--train data/train.en exp/teacher/train.de)

# Sentences to translate by the teacher, in one file.
stage_prepare() {
  local files=() i
  for ((i = 1; i < ${#raw[@]}; i += 3)); do files+=("${raw[i]}"); done # --train SOURCE TARGET ...
  once data/train.en "${files[@]}" -- bash -c 'mkdir -p data && gzip -cdf -- "$@" >data/train.en' - "${files[@]}"
}

# train_model EXP INPUT -- OPTION ... [KEY=VALUE ...]: train a model; settings behind all options, as the parser has them.
train_model() {
  local out=$1 input=$2
  shift 3
  once "$out/best.safetensors" "$input" -- \
    vqspeech text train "${dev[@]}" --out "$out" ${restart[@]+"${restart[@]}"} "$@" ${overrides[@]+"${overrides[@]}"}
}

stage_teacher() {
  train_model exp/teacher data/train.en -- --conf "autoregressive$sizes" "${raw[@]}" "training.minutes=$teacher"
}

# Greedy translations of the training set; status 3 means that some lines are too long and stay empty.
stage_distil() {
  once exp/teacher/train.de exp/teacher/best.safetensors -- \
    vqspeech text translate --model exp/teacher --input data/train.en --batch 256 --out exp/teacher/train.de
}

# train_student EXP MINUTES OPTION ...: train on the teacher's translations, from its vocabulary and source encoder.
train_student() {
  local out=$1 minutes=$2
  shift 2
  train_model "$out" exp/teacher/train.de -- --start exp/teacher "${distilled[@]}" "$@" "training.minutes=$minutes"
}

# side_by_side COMMAND ...: start a training; with processors alone, as many at once as there are of them, a thread each.
started=()
side_by_side() {
  if [ "$ngpu" != 0 ] || [ "$nj" = 1 ]; then
    "$@"
    return
  fi
  [ ${#started[@]} -lt "$nj" ] || join_oldest
  set -m # a group of processes each, so that all of it can be stopped
  OMP_NUM_THREADS=1 "$@" &
  set +m
  started+=("$!")
}
join_oldest() {
  wait "${started[0]}"
  started=("${started[@]:1}")
}
join_all() { while [ ${#started[@]} != 0 ]; do join_oldest; done; }
stop_all() {
  local one
  for one in ${started[@]+"${started[@]}"}; do kill -TERM -- "-$one" 2>/dev/null || true; done
}
trap stop_all EXIT

stage_train() {
  side_by_side train_student exp/latent "$latent" --conf "latent$sizes"
  side_by_side train_student exp/parallel "$parallel" --conf "parallel$sizes"
  join_all
}

# The models of the studies, for STUDY steps a seed: "NAME|OPTION ...". They have the decoder of the paper, with one place
# for a piece, which needs its latents, unless their name says so.
variants=(
  "soft EM|"
  "hard EM|quantizer=ema"
  "VQ-VAE, eq. 3|quantizer=paper"
  "soft EM, m = 1|quantizer.samples=1"
  "soft EM, m = 25|quantizer.samples=25"
  "soft EM, two codebooks of 2^9|quantizer.codes=512 model.codebooks=2"
  "soft EM, 2^10 codes|quantizer.codes=1024"
  "soft EM, 2^12 codes|quantizer.codes=4096"
  "soft EM, 2^14 codes|quantizer.codes=16384"
  "soft EM, not distilled|"
  "no latents|"
  "soft EM, CTC|model.places=2 model.predicted=0.5"
  "no latents, CTC|model.places=2"
)
# Print the folder of a model of the studies: NAME SEED.
study_folder() { printf 'exp/study/%s_%s\n' "$(tr -c 'a-z0-9\n' _ <<<"${1,,}")" "$2"; }

train_variant() { # name seed option...
  local name=$1 seed=$2 folder options pairs=("${distilled[@]}")
  folder=$(study_folder "$name" "$seed")
  options=(--conf "latent$sizes" model.places=1 model.predicted=0)
  [[ $name != "no latents"* ]] || options=(--conf "parallel$sizes" model.places=1)
  [[ $name != *"not distilled" ]] || pairs=("${raw[@]}")
  train_model "$folder" exp/teacher/train.de -- --start exp/teacher "${pairs[@]}" "${options[@]}" "${@:3}" \
    "training.seed=$seed" "training.steps=$study" "training.evaluate_every=$study"
}

stage_study() {
  local seed one name options models=() trained=()
  if [ "$study" = 0 ]; then
    log "STUDY is 0: no studies"
    return
  fi
  for ((seed = 0; seed < seeds; seed++)); do
    for one in "${variants[@]}"; do
      name=${one%%|*}
      read -ra options <<<"${one#*|}"
      side_by_side train_variant "$name" "$seed" ${options[@]+"${options[@]}"}
      models+=("$name=$(study_folder "$name" "$seed")")
      trained+=("$(study_folder "$name" "$seed")/best.safetensors")
    done
  done
  join_all
  once exp/study/scores.json "${trained[@]}" -- vqspeech text score study "${models[@]}" \
    "${data[@]}" --out exp/study/scores.json
}

stage_score() {
  local models=(exp/{teacher,latent,parallel}/best.safetensors)
  once exp/translations/scores.json "${models[@]}" -- vqspeech text score translations exp/teacher exp/teacher:beam=4 \
    exp/latent exp/latent:lengths=3 exp/parallel exp/parallel:lengths=3 "${data[@]}" --out exp/translations/scores.json
  once exp/latent/scores.json exp/latent/best.safetensors -- \
    vqspeech text score latents exp/latent "${data[@]}" --out exp/latent/scores.json
  write_results exp/translations exp/latent exp/study
}
