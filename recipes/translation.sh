# shellcheck shell=bash
# shellcheck disable=SC2154 # what the recipe and the stage runner set
# Stages of translation with discrete latents (1805.11063), for recipes that source stages.sh and set:
#   raw     (--train SOURCE TARGET ...)  pairs of text files to learn from, plain or gzip
#   dev     (--dev SOURCE TARGET)        held-out pairs
#   data    (--data SOURCE TARGET)       pairs to report on
#   sizes   ending of the names of configurations: _small or nothing
#   teacher latent parallel study        minutes of each training; study=0: no studies
#   seeds   of the studies
distilled=(--train data/train.en exp/teacher/train.de)

# Sentences to translate by the teacher, in one file.
stage_prepare() {
  local files=() i
  for ((i = 1; i < ${#raw[@]}; i += 3)); do files+=("${raw[i]}"); done # --train SOURCE TARGET ...
  once data/train.en "${files[@]}" -- bash -c 'mkdir -p data && gzip -cdf -- "$@" >data/train.en' - "${files[@]}"
}

# train_model EXP INPUT -- OPTION ...: train a model.
train_model() {
  local out=$1 input=$2
  shift 3
  once "$out/best.safetensors" "$input" -- \
    vqspeech text train "$@" "${dev[@]}" --out "$out" ${restart[@]+"${restart[@]}"} ${overrides[@]+"${overrides[@]}"}
}

stage_teacher() {
  train_model exp/teacher data/train.en -- --conf "autoregressive$sizes" "${raw[@]}" "training.minutes=$teacher"
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
  train_student exp/latent "$latent" --conf "latent$sizes"
  train_student exp/parallel "$parallel" --conf "parallel$sizes"
}

# Each model of the studies, for STUDY minutes a seed: "NAME OPTION ..." on the teacher's translations.
variants=(
  "soft EM|"
  "hard EM|quantizer=ema"
  "VQ-VAE, eq. 3|quantizer=paper"
  "soft EM, m = 1|quantizer.samples=1"
  "soft EM, m = 5|quantizer.samples=5"
  "soft EM, m = 25|quantizer.samples=25"
  "soft EM, two codebooks of 2^9|quantizer.codes=512 model.codebooks=2"
  "soft EM, 2^10 codes|quantizer.codes=1024"
  "soft EM, 2^12 codes|quantizer.codes=4096"
  "soft EM, 2^14 codes|quantizer.codes=16384"
  "soft EM, one place a piece (no CTC)|model.places=1"
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
      train_student "$folder" "$study" --conf "latent$sizes" ${options[@]+"${options[@]}"} "training.seed=$seed"
      models+=("$name=$folder")
      trained+=("$folder/best.safetensors")
    done
    train_student "exp/study/none_$seed" "$study" --conf "parallel$sizes" "training.seed=$seed"
    train_model "exp/study/not_distilled_$seed" exp/teacher/best.safetensors -- --conf "latent$sizes" --start exp/teacher \
      "${raw[@]}" "training.minutes=$study" "training.seed=$seed"
    models+=("no latents=exp/study/none_$seed" "soft EM, not distilled=exp/study/not_distilled_$seed")
  done
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
