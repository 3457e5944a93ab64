#!/usr/bin/env bash
# A task of lm-eval asks one long line, with the letters backslash and n where its template means a new line.
#
# Packages: lm-eval 0.4.13, its task files and its template engine
# Expected: `arc_challenge_chat` shows a question and four options on lines of their own, as its template is laid out.
# Happens:  the template stands in single quotes, where YAML keeps a backslash as it is, and outside the braces the
#           template engine keeps it, too. Five of afrobench's nollysenti tasks are written like this as well.
# Matters:  models are scored on a prompt that nobody meant; who splits the logged prompt into lines finds one line, and
#           takes the options for a part of the question.
# Here:     options are looked for behind either kind of line end (src/modelsat/data/readers/lm_eval_options.py).
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
DOCUMENT = {
    "question": "Which is a planet?",
    "choices": {"text": ["Mars", "Sirius", "Titan", "Halley"], "label": ["A", "B", "C", "D"]},
    "review": "Loved it.",
}
tasks = Path(sys.argv[1])
chat = tasks / "arc" / "arc_challenge_chat.yaml"
seen = {}
for file in (chat, *sorted(tasks.glob("afrobench/nollysenti/prompt_2/nollysenti_*.yaml"))):
    asked = apply_template(yaml.load(file.read_text(encoding="utf-8"), Loader)["doc_to_text"], DOCUMENT)
    seen[file.stem] = (asked.count("\n"), asked.count("\\n"))
    if file == chat:
        print(asked[:160])
print(f"lm-eval {version('lm_eval')}: line ends, and times backslash and n, by task: {seen}")
if seen["arc_challenge_chat"] != (0, 6):
    sys.exit("changed: the template holds line ends now")
PY
"$work/env/bin/python" -W ignore "$work/show.py" "$work"/env/lib/python3*/site-packages/lm_eval/tasks
