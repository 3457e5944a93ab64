"""Helm's own lint and template, as a process of its own: `python helm.py lint|template CHART OPTIONS`, answers in JSON.

The library brings Go's runtime with it, which a process of tests that starts threads and forks is better without.
"""

import json
import sys
from typing import Any


def lint(chart: str, values: dict[str, Any]) -> Any:
    """Return Helm's findings, warnings taken for errors."""
    import helm_python

    return helm_python.lint(chart, values, strict=True, namespace="modelsat")


def template(chart: str, values: dict[str, Any], namespace: str) -> Any:
    """Return what Helm would send, by template."""
    import helm_python

    with helm_python.Chart.load(chart) as loaded:
        loaded.validate_schema(values)
        return loaded.render(values, name="modelsat", namespace=namespace)


if __name__ == "__main__":
    verb, chart, options = sys.argv[1:]
    json.dump({"lint": lint, "template": template}[verb](chart, **json.loads(options)), sys.stdout)
