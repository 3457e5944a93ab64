"""Writes the chart's templates from the overlays: `python infra/chart/write.py`. Needs kubectl and modelsat.

Each object becomes one template. Its body is what kustomize renders, so chart and overlays send the same; a condition
says for which overlays and components. Only namespace, images, settings, upstreams, defaults of runs and the route's
address are values. What `runDefaults` may hold is written into the schema from the settings of the pipeline.
"""

import json
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from modelsat.settings import RetrainSettings

CHART = Path(__file__).parent
INFRA = CHART.parent
OVERLAYS = ("local", "staging", "production")
COMPONENTS = {
    "feedback": "components/feedback",
    "gatewayApi": "components/gateway-api",
    "monitoring": "monitoring",
    "webhooks": "components/webhooks",
}
SCHEMA = "values.schema.json"
NAMESPACE = "namespace-of-the-release"
_HEAD = "{{- /* Written by infra/chart/write.py from the overlays; change these. */ -}}\n"
_MARK = re.compile(r"'?@@(.+?)@@'?")
Object = dict[str, Any]
Bodies = dict[tuple[str, str], str]


def main() -> None:
    """Write version, schema and templates, and remove those of objects that are no more."""
    chart = CHART / "Chart.yaml"
    lines = chart.read_text(encoding="utf-8")
    chart.write_text(
        re.sub(r"^(version|appVersion): .*$", rf"\1: {version()}", lines, flags=re.MULTILINE), encoding="utf-8"
    )
    (CHART / SCHEMA).write_text(schema(), encoding="utf-8")
    templates = written()
    for old in (CHART / "templates").glob("*.yaml"):
        if old.name not in templates:
            old.unlink()
    for name, text in templates.items():
        (CHART / "templates" / name).write_text(text, encoding="utf-8")


def schema() -> str:
    """Return the schema of the values, in which `runDefaults` has the parameters of the pipeline's form."""
    told: dict[str, Any] = json.loads((CHART / SCHEMA).read_text(encoding="utf-8"))
    form = RetrainSettings.model_json_schema()["properties"]
    kept = {name: {key: one[key] for key in one if key not in ("title", "default")} for name, one in form.items()}
    # The names alone say which parameters exist; `additionalProperties` would only say which one does not.
    told["properties"]["runDefaults"] = {"type": "object", "propertyNames": {"enum": list(kept)}, "properties": kept}
    return json.dumps(told, indent=2) + "\n"


def written() -> dict[str, str]:
    """Return the templates by file name."""
    base = {overlay: _bodies(overlay) for overlay in OVERLAYS}
    wider = {name: {overlay: _bodies(overlay, folder) for overlay in OVERLAYS} for name, folder in COMPONENTS.items()}
    keys = sorted(
        {key for bodies in [*base.values(), *(b for one in wider.values() for b in one.values())] for key in bodies}
    )
    templates = {}
    for kind, name in keys:
        plain = _by_overlay(base, (kind, name))
        changed = {one: found for one in wider if (found := _by_overlay(wider[one], (kind, name))) != plain}
        if len(changed) > 1:
            raise SystemExit(
                f"{kind} {name} is changed by {', '.join(changed)}; two cannot be written into one template"
            )
        text = _for_overlays(plain)
        for component, bodies in changed.items():
            other = f"{{{{- else }}}}\n{text}" if plain else ""
            text = f"{{{{- if .Values.components.{component} }}}}\n{_for_overlays(bodies)}{other}{{{{- end }}}}\n"
        if kind == "Namespace":
            text = f"{{{{- if .Values.namespace.create }}}}\n{text}{{{{- end }}}}\n"
        templates[f"{kind.lower()}-{'all' if name == NAMESPACE else name}.yaml"] = _HEAD + text
    return templates


def _bodies(overlay: str, component: str = "") -> Bodies:
    """Render an overlay in the release's namespace and return the body of each object's template."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise SystemExit("kubectl, which renders the overlays, is not installed")
    with tempfile.TemporaryDirectory(dir=INFRA) as folder:
        content = {
            "namespace": NAMESPACE,
            "resources": [f"../overlays/{overlay}"],
            "components": [f"../{component}"] if component else [],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return {(one["kind"], one["metadata"]["name"]): _body(one) for one in yaml.safe_load_all(done.stdout)}


def _body(one: Object) -> str:
    """Return an object as text in which values of the chart stand for what a user may change."""
    if one["kind"] == "ConfigMap" and one["metadata"]["name"] in _DATA:
        data = _DATA[one["metadata"]["name"]](one["data"])
        return _text({**one, "data": "@@data@@"}).replace("data: '@@data@@'", data)
    if (one["kind"], one["metadata"]["name"]) == ("HTTPRoute", "gateway"):
        one["spec"]["hostnames"] = ["@@.Values.gatewayApi.hostname@@"]
        (parent,) = one["spec"]["parentRefs"]
        parent |= {field: f"@@.Values.gatewayApi.gateway.{field}@@" for field in ("name", "namespace")}
    if (one["kind"], one["metadata"]["name"]) == ("CronJob", "upload-pipelines"):
        (container,) = one["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        container["env"].append("@@runs@@")
    return _text(_with_images(one))


def _text(one: Object) -> str:
    """Return YAML in which braces of Prometheus and Grafana are no template's, and marks have become values."""
    text = yaml.safe_dump(one, sort_keys=True, width=4096, allow_unicode=True)
    text = text.replace("{{", "{{`{{`}}").replace(NAMESPACE, "{{ .Release.Namespace }}")
    text = re.sub(r"^( *)- '@@runs@@'\n", _images_of_runs, text, flags=re.MULTILINE)
    return _MARK.sub(lambda mark: mark[0] if mark[1] == "data" else f"{{{{ {mark[1]} | quote }}}}", text)


def _with_images(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_images(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: f"@@.Values.images.{_image_name(value)}@@"
        if key == "image" and isinstance(value, str)
        else _with_images(value)
        for key, value in node.items()
    }


def _image_name(image: str) -> str:
    names = {given: name for name, given in _values()["images"].items()}
    if image not in names:
        raise SystemExit(f"the image {image!r} is not among the images of values.yaml; add it there")
    return names[image]


def _images_of_runs(line: re.Match[str]) -> str:
    """Return variables that let the steps of runs have the images of the release, where these are not the default's."""
    text = ""
    for name in ("pipeline", "training"):
        value = f".Values.images.{name}"
        text += (
            f"{line[1]}{{{{- if ne {value} {json.dumps(_values()['images'][name])} }}}}\n"
            f"{line[1]}- name: MODELSAT_{name.upper()}_IMAGE\n{line[1]}  value: {{{{ {value} | quote }}}}\n"
            f"{line[1]}{{{{- end }}}}\n"
        )
    return text


def _values() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return values


def _entries(of: str) -> Any:
    """Return the template of a ConfigMap's entries, over which those of a value go."""

    def data(given: Mapping[str, str]) -> str:
        pairs = " ".join(f"{json.dumps(key)} {json.dumps(value)}" for key, value in sorted(given.items()))
        return f"data: {{{{- mergeOverwrite (dict {pairs}) .Values.{of} | toYaml | nindent 2 }}}}"

    return data


def _file(name: str, of: str, changed: str) -> Any:
    """Return the template of a ConfigMap with one file: the value, or the overlay's text where it is empty."""

    def data(given: Mapping[str, str]) -> str:
        text = json.dumps(given[name])
        new = changed.replace("TEXT", text)
        return (
            f"data:\n  {name}: {{{{- if .Values.{of} }}}}\n    {{{{ {new} | quote }}}}\n"
            f"{{{{- else }}}}\n    {{{{ {text} | quote }}}}\n{{{{- end }}}}"
        )

    return data


_DATA = {
    "modelsat-settings": _entries("settings"),
    "modelsat-kubeflow": _entries("kubeflow"),
    "modelsat-upstreams": _file("upstreams.yaml", "upstreams", "toYaml .Values.upstreams"),
    "modelsat-run-defaults": _file(
        "run-defaults.json", "runDefaults", "mergeOverwrite (fromJson TEXT) .Values.runDefaults | toPrettyJson"
    ),
}


def _by_overlay(renders: Mapping[str, Bodies], key: tuple[str, str]) -> dict[str, str]:
    return {overlay: bodies[key] for overlay, bodies in renders.items() if key in bodies}


def _for_overlays(bodies: Mapping[str, str]) -> str:
    """Return each body for the overlays that have it, without a condition where all have the same."""
    groups: dict[str, list[str]] = {}
    for overlay, body in bodies.items():
        groups.setdefault(body, []).append(overlay)
    if len(groups) == 1 and len(bodies) == len(OVERLAYS):
        return next(iter(groups))
    return "".join(
        f"{{{{- if has .Values.overlay (list {_quoted(overlays)}) }}}}\n{body}{{{{- end }}}}\n"
        for body, overlays in groups.items()
    )


def _quoted(names: Sequence[str]) -> str:
    return " ".join(map(json.dumps, names))


def version() -> str:
    """Return the project's version, which is the chart's."""
    project = tomllib.loads((INFRA.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


if __name__ == "__main__":
    main()
