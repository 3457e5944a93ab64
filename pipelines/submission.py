"""Kubeflow Pipelines over its API: log in, upload a pipeline and its version once, start a run, say where to look."""

import contextlib
import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelsat.errors import InputError, ServiceError
from pipelines import kubeflow_server


@dataclass(frozen=True)
class Login:
    """How to reach Kubeflow Pipelines.

    Attributes:
        host: Address of its API.
        namespace: Profile namespace of experiments and runs; empty on installations for a single user.
        token_file: Projected token of a service account (audience pipelines.kubeflow.org); empty sends none.
        cookie: Session cookie of a login page; empty sends none.
        ui: Address of its pages as a browser has it; empty takes `host`.
        ca_file: Certificate authority of the host; empty takes the system's.
    """

    host: str
    namespace: str = ""
    token_file: str = ""
    cookie: str = ""
    ui: str = ""
    ca_file: str = ""


@dataclass(frozen=True)
class Uploaded:
    """Where a pipeline's version is; `new` says that it was not there before."""

    pipeline_id: str
    version_id: str
    new: bool
    link: str


class Kubeflow:
    """The calls that a submission needs.

    Args:
        login: How to reach it.

    Raises:
        InputError: The token file is not readable, or the host is no address.
        ServiceError: Kubeflow Pipelines does not answer, refuses the login or is too old.
    """

    def __init__(self, login: Login) -> None:
        self.login = login
        self.version = kubeflow_server.require(login.host, _headers(login), login.ca_file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import kfp.client

            with _naming_faults(login.host):
                self._client = kfp.client.Client(
                    host=login.host,
                    namespace=login.namespace or "kubeflow",
                    credentials=_credentials(login),
                    cookies=login.cookie or None,
                    ssl_ca_cert=login.ca_file or None,
                    ui_host=login.ui or login.host,
                )

    def upload(self, package: Path, name: str, description: str) -> Uploaded:
        """Upload a pipeline, or the next version of it; a version that is there already is used.

        Args:
            package: Compiled YAML.
            name: Of the pipeline.
            description: One sentence for the list of pipelines.
        """
        version = f"{name}-{hashlib.sha256(package.read_bytes()).hexdigest()[:12]}"
        with _naming_faults(self.login.host):
            pipeline_id = self._client.get_pipeline_id(name)
            if pipeline_id is None:
                made = self._client.upload_pipeline(
                    str(package), name, description, namespace=self.login.namespace or None
                )
                pipeline_id = made.pipeline_id
            known = self._versions(pipeline_id)
            new = version not in known
            if new:
                uploaded = self._client.upload_pipeline_version(str(package), version, pipeline_id=pipeline_id)
                known[version] = uploaded.pipeline_version_id
        link = f"{self._pages()}/#/pipelines/details/{pipeline_id}/version/{known[version]}"
        return Uploaded(pipeline_id, known[version], new, link)

    def start(
        self, uploaded: Uploaded, experiment: str, job: str, arguments: Mapping[str, Any], account: str
    ) -> tuple[str, str]:
        """Start a run of an uploaded version; return its id and its link.

        Args:
            uploaded: What to run.
            experiment: In which experiment; created where absent.
            job: Name of the run.
            arguments: Values by parameter; those left out have the form's defaults.
            account: Service account of its pods.
        """
        with _naming_faults(self.login.host):
            namespace = self.login.namespace or None
            found = self._client.create_experiment(experiment, namespace=namespace)
            run = self._client.run_pipeline(
                found.experiment_id,
                job,
                params=dict(arguments),
                pipeline_id=uploaded.pipeline_id,
                version_id=uploaded.version_id,
                service_account=account or None,
            )
        return run.run_id, f"{self._pages()}/#/runs/details/{run.run_id}"

    def _versions(self, pipeline_id: str) -> dict[str, str]:
        found: dict[str, str] = {}
        token = ""
        while True:
            answer = self._client.list_pipeline_versions(pipeline_id, page_token=token, page_size=100)
            for one in answer.pipeline_versions or ():
                found[one.display_name] = one.pipeline_version_id
            token = answer.next_page_token or ""
            if not token:
                return found

    def _pages(self) -> str:
        return (self.login.ui or self.login.host).rstrip("/")


def _headers(login: Login) -> dict[str, str]:
    headers = {"cookie": login.cookie} if login.cookie else {}
    if login.token_file:
        try:
            headers["authorization"] = f"Bearer {Path(login.token_file).read_text(encoding='utf-8').strip()}"
        except (OSError, ValueError) as error:
            raise InputError(
                f"there is no token at {login.token_file!r}; mount a projected service-account token with the audience "
                "pipelines.kubeflow.org, or leave MODELSAT_KFP_TOKEN_FILE out"
            ) from error
    return headers


def _credentials(login: Login) -> Any:
    if not login.token_file:
        return None
    from kfp.client import set_volume_credentials

    return set_volume_credentials.ServiceAccountTokenVolumeCredentials(path=login.token_file)


@contextlib.contextmanager
def _naming_faults(host: str) -> Iterator[None]:
    import urllib3
    from kfp_server_api.exceptions import ApiException

    try:
        yield
    except ApiException as error:
        raise kubeflow_server.of_status(host, error.status, kubeflow_server.said(error.body)) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ServiceError(
            f"Kubeflow Pipelines at {host} does not answer any more ({type(error).__name__}); run the same command "
            "again"
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        # Its client found no answer of the API in what came back: a page, or an object without what it has to have.
        raise ServiceError(
            f"Kubeflow Pipelines at {host} answers what its API does not ({type(error).__name__}); check --host and "
            "the login"
        ) from error
