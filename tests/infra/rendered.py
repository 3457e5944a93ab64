"""What `kubectl apply -k` would send: overlays rendered by kubectl, and the schemas they are held to."""

import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

INFRA = Path(__file__).parents[2] / "infra"
CONTRACTS = Path(__file__).parents[2].parent / "shared" / "contracts"
OVERLAYS = ("local", "staging", "production", "profile")
OPTIONAL = ("monitoring", "components/feedback", "components/gateway-api", "components/webhooks")
Manifest = dict[str, Any]


@functools.cache
def render(overlay: str) -> tuple[Manifest, ...]:
    """Render an overlay with kubectl's kustomize, `everything` with all that can be opted into; without one, skip."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, which renders the overlays, is not installed")
    if overlay == "everything":
        return rendered_on("production", components=OPTIONAL)
    return _kustomize(kubectl, INFRA / "overlays" / overlay)


def rendered_on(base: str, components: Sequence[str] = (), **more: Any) -> tuple[Manifest, ...]:
    """Render an overlay of one's own, as a user writes it: over one of ours, with more components and settings.

    Args:
        base: Name of our overlay.
        components: Folders below `infra`.
        more: Other fields of the kustomization, such as `namespace` and `images`.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, which renders the overlays, is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        content = {
            "resources": [os.path.relpath(INFRA / "overlays" / base, folder)],
            "components": [os.path.relpath(INFRA / name, folder) for name in components],
            **more,
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return _kustomize(kubectl, folder)


def _kustomize(kubectl: str, folder: Path) -> tuple[Manifest, ...]:
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.load_all(done.stdout, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def find(overlay: str, kind: str, name: str) -> Manifest:
    (found,) = [one for one in render(overlay) if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pods(manifest: Manifest) -> Iterator[tuple[str, Manifest]]:
    """Yield every pod spec in a manifest with its place."""

    def walk(node: Any, place: str) -> Iterator[tuple[str, Manifest]]:
        if isinstance(node, dict):
            if isinstance(node.get("containers"), list):
                yield place, node
            for key, value in node.items():
                yield from walk(value, f"{place}.{key}")
        elif isinstance(node, list):
            for i, value in enumerate(node):
                yield from walk(value, f"{place}[{i}]")

    yield from walk(manifest, f"{manifest['kind']}/{manifest['metadata']['name']}")


def contract_faults(manifest: Manifest, given: Any = None) -> list[str]:
    """Return what the schema of a custom resource has against a manifest.

    Args:
        manifest: A custom resource.
        given: The schema; None takes the one beside this checkout.

    Raises:
        LookupError: There is no schema of its kind.
    """
    from openapi_schema_validator import OAS30Validator

    version = manifest["apiVersion"].replace("/", "_")
    path = CONTRACTS / f"{version}_{manifest['kind']}.json"
    if given is None and not path.is_file():
        raise LookupError(path.name)
    schema = closed(json.loads(path.read_text(encoding="utf-8"))["schema"] if given is None else given)
    bare = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "metadata")}
    schema["properties"] = {key: value for key, value in schema["properties"].items() if key in (*bare, "status")}
    return [f"{list(fault.absolute_path)}: {fault.message[:200]}" for fault in OAS30Validator(schema).iter_errors(bare)]


def closed(schema: Any) -> Any:
    """Return a structural schema that knows no other fields, as an API server prunes them, and takes int-or-string."""
    if not isinstance(schema, dict):
        return [closed(one) for one in schema] if isinstance(schema, list) else schema
    new = {key: closed(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        return {"oneOf": [{"type": "integer"}, {"type": "string"}]}
    open_to_all = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and not open_to_all:
        new["additionalProperties"] = False
    return new


def core_faults(manifest: Manifest) -> list[str]:
    """Return the fields of a core kind that the typed models of the Kubernetes client do not know.

    Raises:
        LookupError: They do not know the kind.
    """
    import kubernetes.client.models as models

    version = manifest["apiVersion"].rpartition("/")[2]
    kind = getattr(models, f"V{version[1:]}{manifest['kind']}", None)
    if kind is None:
        raise LookupError(f"{manifest['apiVersion']} {manifest['kind']}")

    def walk(node: Any, name: str, place: str) -> Iterator[str]:
        if name.startswith("list["):
            for i, value in enumerate(node or ()):
                yield from walk(value, name[5:-1], f"{place}[{i}]")
        elif hasattr(models, name):
            model = getattr(models, name)
            types = {wire: model.openapi_types[field] for field, wire in model.attribute_map.items()}
            if not isinstance(node, dict):
                yield f"{place}: no object"
                return
            for key, value in node.items():
                if key in types:
                    yield from walk(value, types[key], f"{place}.{key}")
                else:
                    yield f"{place}.{key}: unknown"

    return list(walk(manifest, kind.__name__, manifest["kind"]))
