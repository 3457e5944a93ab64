#!/usr/bin/env bash
# lm-evaluation-harness writes the score 999, "higher is better", for a run that scored nothing.
#
# Package:  lm-eval 0.4.13 (no torch needed)
# Expected: `--predict_only` leaves scores out of the results, or writes null.
# Happens:  results_*.json holds "bypass,<filter>": 999 and higher_is_better true; nothing else in the file says that the
#           run was not scored. The rows of samples_*.jsonl hold "bypass": null.
# Matters:  a collector that takes the first metric that is better when higher ranks an unscored model above all others,
#           and clipping to [0, 1] makes it perfect.
# Here:     `bypass` is never read as a score (src/modelsat/data/readers/lm_eval_results.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check lm-eval==0.4.13
cd "$work"
mkdir tasks
printf '{"q": "%s + 1 = ?", "a": "2"}\n' 1 2 3 > questions.jsonl
cat > tasks/sums.yaml <<YAML
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: $work/questions.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{q}}"
doc_to_target: "{{a}}"
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
YAML
HF_HOME="$work/hub" HF_HUB_OFFLINE=1 env/bin/lm-eval run --model dummy --model_args pretrained=org/candidate --tasks sums \
    --include_path tasks --log_samples --predict_only --output_path out > log 2>&1 || { tail -n 5 log; exit 1; }
env/bin/python - <<'PY'
import json
import sys
from importlib.metadata import version
from pathlib import Path

results = json.loads(next(Path("out").rglob("results_*.json")).read_text())
rows = [json.loads(line) for line in next(Path("out").rglob("samples_*.jsonl")).read_text().splitlines()]
scores = {name: value for name, value in results["results"]["sums"].items() if name.startswith("bypass")}
better = results["higher_is_better"]["sums"]
print(f"lm-eval {version('lm-eval')}: {scores}, higher is better: {better}, rows: {[row['bypass'] for row in rows]}")
if scores.get("bypass,none") != 999 or better != {"bypass": True}:
    sys.exit("changed: a run that was not scored no longer has the score 999")
PY
