#!/usr/bin/env bash
# The 36 xlsum tasks of lm-eval's afrobench ask for a summary and never show the document: every prompt says "text".
#
# Packages: lm-eval 0.4.13, its task files and its template engine
# Expected: the prompt of `xlsum_swahili_prompt_1` holds the document, as that of spanish_bench's xlsum task does.
# Happens:  the templates say `{{'text'}}`, a literal, where `{{text}}` is meant. All documents of a task get the same
#           prompt, without a warning, and the answers are scored against each document's own summary.
# Matters:  the scores of these tasks say nothing about summaries, and a router that learns from them learns that one
#           prompt has thousands of different outcomes.
# Here:     a task whose documents are all asked the same is left out, with a sentence that names it
#           (src/modelsat/data/readers/lm_eval_sheets.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check jinja2==3.1.6 numpy==2.4.6 pyyaml==6.0.3 requests==2.33.0 \
    typing_extensions==4.16.0
"$work/env/bin/pip" install --quiet --disable-pip-version-check --no-deps lm-eval==0.4.13
cat > "$work/show.py" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import yaml
from lm_eval.utils import apply_template


class Loader(yaml.SafeLoader):
    """Reads task files whose functions are of no interest here."""


Loader.add_multi_constructor("!", lambda *_: None)


def asked(file, text):
    return apply_template(yaml.load(file.read_text(encoding="utf-8"), Loader)["doc_to_text"], {"text": text})


tasks = Path(sys.argv[1])
files = sorted(tasks.glob("afrobench/xlsum/prompt_*/xlsum_*.yaml"))
same = [file for file in files if asked(file, "It rained.") == asked(file, "The river rose.")]
print(asked(files[0], "It rained."))
print(f"lm-eval {version('lm_eval')}: {len(same)} of {len(files)} tasks ask the same about two different documents")
if not files or len(same) != len(files):
    sys.exit("changed: the prompts show the document now")
PY
"$work/env/bin/python" -W ignore "$work/show.py" "$work"/env/lib/python3*/site-packages/lm_eval/tasks
