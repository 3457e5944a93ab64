#!/usr/bin/env bash
# Make the fixtures again with the real lm-evaluation-harness, offline but for the package installs:
#   tests/data/lm_eval/make_fixtures.sh /tmp/lm-eval-scratch
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
scratch=${1:?name a scratch folder outside the repository}
mkdir -p "$scratch/run"
scratch=$(cd "$scratch" && pwd)

# All environments share one torch through a .pth file: only the harness and what it needs differ.
if [ ! -d "$scratch/base" ]; then
    python3.11 -m venv "$scratch/base"
    "$scratch/base/bin/pip" install --quiet torch==2.13.0
fi

environment() {
    local version=$1
    shift
    if [ ! -d "$scratch/$version" ]; then
        python3.11 -m venv "$scratch/$version"
        echo "$scratch/base/lib/python3.11/site-packages" >"$scratch/$version/lib/python3.11/site-packages/torch.pth"
        "$scratch/$version/bin/pip" install --quiet "lm-eval==$version" "$@"
    fi
}

environment 0.4.13 transformers==5.23.0 accelerate==1.15.0
environment 0.4.12 transformers==5.23.0 accelerate==1.15.0
environment 0.4.9.2 transformers==4.57.6 accelerate==1.15.0
environment 0.4.8 transformers==4.57.6 accelerate==1.15.0
environment 0.4.3 transformers==4.57.6 accelerate==1.15.0
# 0.4.0 and 0.4.2 import `datasets.load_metric`, which later versions of datasets lack.
for version in 0.4.2 0.4.0; do
    environment "$version" transformers==4.46.3 accelerate==1.15.0 'datasets<2.19' 'evaluate<0.4.3' 'numpy<2' 'pyarrow<15'
done

export HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
cd "$scratch/run"
rm -rf out toylab
cp -r "$here"/tasks/. "$here/exact_match" .
"$scratch/0.4.8/bin/python" "$here/make_tiny_models.py" . .

# 0.4.9.2 stops at tasks outside its own folder ("is not in the subpath of"), so it gets the tasks there, and at a group
# that holds both a group and a task ("'str' object has no attribute 'group'"), so it is asked for the two by name.
mkdir -p "$scratch/0.4.9.2/lib/python3.11/site-packages/lm_eval/tasks/toy"
cp "$here"/tasks/*.yaml "$scratch/0.4.9.2/lib/python3.11/site-packages/lm_eval/tasks/toy/"

# The working folder holds the models, the tasks and their data, so that names in the outputs are relative.
evaluate() {
    local version=$1 candidate=$2 tasks=$3 output=$4
    shift 4
    [ "$version" = 0.4.9.2 ] || set -- --include_path "$PWD" "$@"
    # datasets 2 and 5 cannot read each other's cache.
    HF_HOME="$scratch/hf-$version" "$scratch/$version/bin/lm_eval" --model hf --model_args "pretrained=toylab/$candidate" \
        --tasks "$tasks" --output_path "out/$output" --device cpu --batch_size 4 "$@"
}

for version in 0.4.13 0.4.12 0.4.8 0.4.3; do
    evaluate "$version" cand-a toy "$version" --log_samples
done
evaluate 0.4.9.2 cand-a toy_knowledge,toy_sums 0.4.9.2 --log_samples
# 0.4.0 and 0.4.2 make no folder per model.
evaluate 0.4.0 cand-a toy 0.4.0/toylab__cand-a --log_samples
evaluate 0.4.2 cand-b toy_sums 0.4.2/toylab__cand-b --log_samples

# Two runs in one folder; an old version without `filter` in its rows, where the two filters disagree.
evaluate 0.4.13 cand-b toy_knowledge 0.4.13 --log_samples
evaluate 0.4.13 cand-b toy_sums 0.4.13 --log_samples
evaluate 0.4.3 cand-b toy_sums 0.4.3 --log_samples

# What people leave lying about: part of the documents, no scores, no samples, and an output path that ends in .json.
evaluate 0.4.13 cand-a toy_words 0.4.13-limit --log_samples --limit 3
evaluate 0.4.13 cand-a toy_sums 0.4.13-predict-only --predict_only --limit 3
evaluate 0.4.13 cand-a toy_words 0.4.13-no-samples
evaluate 0.4.9.2 cand-b toy_words 0.4.9.2-json/scores.json --log_samples

python3 "$here/scrub.py" out
for folder in out/*/; do
    rm -rf "${here:?}/$(basename "$folder")"
    cp -r "$folder" "$here/"
done
