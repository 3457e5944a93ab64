"""Objects of one kind in one namespace of a Kubernetes cluster; the only module that imports the `kubernetes` package.

Calls that fail for a transient reason (a restarted API server, too many requests) are retried for a while. A server
that has just started knows neither roles nor kinds yet and refuses every client, so a refusal counts only if it is
repeated. A write whose answer was lost may have succeeded: its retry then gives a conflict, and the caller reads the
object again.
"""

import contextlib
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from modelsat.errors import ConflictError, InputError, ModelsatError, ServiceError

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_PASSING = {429, 500, 502, 503, 504}
_PATIENCE_SECONDS = 180.0
_CALL_SECONDS = 30.0
# With the pauses between them these take 24 s.
_REFUSALS = 7


class Objects(Protocol):
    """Objects of one kind in one namespace."""

    def read(self, name: str) -> dict[str, Any] | None:
        """Return an object as the server has it; None where there is none."""
        ...

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object.

        Raises:
            ConflictError: There is one of that name.
        """
        ...

    def replace(self, body: dict[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """Replace an object, if it still has the resourceVersion of `body`, and return it as the server has it then.

        Args:
            body: The whole object.
            dry_run: Let the server and its webhooks check and complete it, and change nothing.

        Raises:
            ConflictError: It was changed since it was read.
            InputError: It is gone, or the server finds `body` invalid.
        """
        ...

    def delete(self, name: str) -> None:
        """Delete an object and what it owns; one that is gone is deleted."""
        ...


class Cluster:
    """Custom objects behind a real API server.

    Args:
        group: API group.
        version: Its version.
        plural: Kind as the API's paths call it.
        namespace: Where they are; empty takes that of this pod.
        patience_seconds: How long a call is tried again where the server does not answer.

    Raises:
        InputError: This process runs in no cluster and knows none.
    """

    def __init__(
        self, group: str, version: str, plural: str, namespace: str = "", patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        self.namespace = namespace or own_namespace()
        self.patience_seconds = patience_seconds
        self._kind = {"group": group, "version": version, "plural": plural, "namespace": self.namespace}
        self._api = _client().CustomObjectsApi()

    def read(self, name: str) -> dict[str, Any] | None:
        """Return an object as the server has it; None where there is none."""
        try:
            item: dict[str, Any] = self._call("get", name, self._api.get_namespaced_custom_object, name=name)
        except Absent:
            return None
        return item

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object; see `Objects.create`."""
        name = body["metadata"]["name"]
        created: dict[str, Any] = self._call("create", name, self._api.create_namespaced_custom_object, body=body)
        return created

    def replace(self, body: dict[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """Replace an object; see `Objects.replace`."""
        name = body["metadata"]["name"]
        only = {"dry_run": "All"} if dry_run else {}
        new: dict[str, Any] = self._call(
            "update", name, self._api.replace_namespaced_custom_object, name=name, body=body, **only
        )
        return new

    def delete(self, name: str) -> None:
        """Delete an object and what it owns."""
        with contextlib.suppress(Absent):
            self._call(
                "delete", name, self._api.delete_namespaced_custom_object, name=name, propagation_policy="Background"
            )

    def _call(self, verb: str, target: str, method: Callable[..., Any], **arguments: Any) -> Any:
        what = f"{verb} {self._kind['plural']} {target!r} in namespace {self.namespace!r}"
        end = time.monotonic() + self.patience_seconds
        pause, refusals = 0.5, 0
        while True:
            try:
                with _naming_faults(what):
                    return method(**self._kind, **arguments, _request_timeout=_CALL_SECONDS)
            except _MayPassError as error:
                if time.monotonic() + pause > end:
                    raise ServiceError(
                        f"the Kubernetes API did not {what} within {self.patience_seconds:.0f} s ({error}); "
                        "look at the API server and run again"
                    ) from error
            except _RefusedError as error:
                refusals += 1
                if refusals == _REFUSALS:
                    raise error.meaning from error
            time.sleep(pause)
            pause = min(2 * pause, 8.0)


def own_namespace() -> str:
    """Return the namespace of this pod.

    Raises:
        InputError: This process runs in no pod.
    """
    try:
        return _NAMESPACE.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError("this process runs in no pod; name the namespace") from error


class Absent(InputError):
    """There is no such object."""


class _MayPassError(Exception):
    """The server may answer the same call later."""


class _RefusedError(Exception):
    """The server refuses, or has just started; `meaning` is what is wrong if it goes on refusing."""

    def __init__(self, meaning: ModelsatError) -> None:
        super().__init__(str(meaning))
        self.meaning = meaning


@contextlib.contextmanager
def _naming_faults(what: str) -> Iterator[None]:
    import urllib3
    from kubernetes.client.exceptions import ApiException

    try:
        yield
    except ApiException as error:
        said, named = _said(error)
        if error.status in _PASSING:
            raise _MayPassError(f"HTTP {error.status}") from error
        if error.status == 409:
            raise ConflictError(f"another client was first to {what}; read it and decide again") from error
        if error.status == 401:
            raise _RefusedError(
                ServiceError(
                    f"the Kubernetes API does not accept this token to {what}; run in a pod with a service account, or "
                    "log in again where KUBECONFIG says"
                )
            ) from error
        if error.status == 403 and "admission webhook" in said:
            raise InputError(f"the Kubernetes API refuses to {what} ({said})") from error
        if error.status == 403:
            raise _RefusedError(
                ServiceError(
                    f"this service account may not {what} ({said}); bind it to the roles of infra/base/rbac.yaml"
                )
            ) from error
        if error.status == 404 and named:
            raise Absent(f"there is nothing to {what} ({said})") from error
        if error.status == 404:
            raise _RefusedError(
                InputError(f"the Kubernetes API does not know how to {what}; install what brings this kind")
            ) from error
        raise InputError(f"the Kubernetes API refuses to {what} (HTTP {error.status}: {said})") from error
    except urllib3.exceptions.HTTPError as error:
        raise _MayPassError(type(error).__name__) from error


def _said(error: Any) -> tuple[str, bool]:
    """Return the server's own sentence, and whether it is about an object, not about an unknown path."""
    try:
        status = json.loads(error.body)
        text, named = str(status["message"]), bool(status.get("details", {}).get("name"))
    except (ValueError, TypeError, KeyError, AttributeError):
        text, named = str(error.body or error.reason), False
    return " ".join(text.split())[:300], named


def _client() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import kubernetes
    try:
        kubernetes.config.load_incluster_config()
    except kubernetes.config.ConfigException:
        try:
            kubernetes.config.load_kube_config()
        except (kubernetes.config.ConfigException, OSError) as error:
            raise InputError(
                "there is no Kubernetes cluster to talk to; run in a pod with a service account, or set KUBECONFIG"
            ) from error
    return kubernetes.client
