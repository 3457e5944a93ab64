"""Prints the custom resource definitions of the schemas in ../shared/contracts, as Kubernetes 1.20 takes them."""

import json
import sys
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts"


def of_old(schema: Any) -> Any:
    """Return a schema without what came after 1.20: rules in CEL, and empty texts as defaults and so as keys."""
    if isinstance(schema, list):
        return [of_old(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    new = {key: of_old(value) for key, value in schema.items() if key != "x-kubernetes-validations"}
    if isinstance(new.get("type"), str) and new.get("default") == "":
        del new["default"]
    items = new.get("items", {})
    known = {*items.get("required", ()), *(key for key, one in items.get("properties", {}).items() if "default" in one)}
    if not known.issuperset(new.get("x-kubernetes-list-map-keys", ())):
        del new["x-kubernetes-list-map-keys"], new["x-kubernetes-list-type"]
    return new


def definition(contract: dict[str, Any]) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a contract."""
    kind, schema = contract["kind"], of_old(contract["schema"])
    version = {"name": contract["version"], "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    # The status of a ServingRuntime is no resource of its own.
    if "status" in schema["properties"] and not kind.endswith("ServingRuntime"):
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{contract['plural']}.{contract['group']}",
            # Kubernetes asks for it in its own groups (x-k8s.io).
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": contract["group"],
            "scope": contract["scope"],
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": contract["plural"], "singular": kind.lower()},
            "versions": [version],
        },
    }


if __name__ == "__main__":
    contracts = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(CONTRACTS.glob("*.json"))]
    definitions = [definition(one) for one in contracts]
    json.dump({"apiVersion": "v1", "kind": "List", "items": definitions}, sys.stdout)
