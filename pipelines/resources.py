"""What the steps of every pipeline ask of a cluster: resources, GPU nodes, retries, caching rules, secrets."""

from typing import Dict, List  # noqa: UP035

from kfp import dsl, kubernetes

from modelsat.io.key_variables import SETTING

_KEYS = "/etc/modelsat/keys"
_UPSTREAM_KEYS = "modelsat-upstream-keys"


def modest(task: dsl.PipelineTask, memory: str = "2G") -> None:
    """Ask for what a step without a model needs."""
    task.set_cpu_request("500m").set_cpu_limit("2").set_memory_request("1G").set_memory_limit(memory)


def outside(task: dsl.PipelineTask, memory: str = "2G") -> None:
    """Prepare a step that talks to S3 or MLflow: never from the cache, tried again, with credentials from secrets."""
    modest(task, memory)
    with_secrets(task)
    task.set_caching_options(False)
    task.set_retry(num_retries=2, backoff_duration="30s", backoff_factor=2.0)


def on_gpu_nodes(task: dsl.PipelineTask, gpus: str, node_selector: Dict, tolerations: List) -> None:  # noqa: UP006
    """Prepare the fine-tuning step: GPUs, nodes and tolerations are run parameters; a killed pod goes on."""
    task.set_cpu_request("2").set_cpu_limit("16").set_memory_request("4G").set_memory_limit("64G")
    task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(gpus)
    kubernetes.add_node_selector_json(task, node_selector)
    kubernetes.add_toleration_json(task, tolerations)
    with_secrets(task)
    task.set_caching_options(False)
    task.set_retry(num_retries=3, backoff_duration="60s", backoff_factor=2.0)


def with_work_volume(task: dsl.PipelineTask) -> None:
    """Mount the volume on which trainings keep states and checkpoints, so that a killed one goes on elsewhere."""
    kubernetes.mount_pvc(task, pvc_name="modelsat-work", mount_path="/mnt/modelsat")


def with_endpoint_token(task: dsl.PipelineTask) -> None:
    """Give a step the token with which it may ask the endpoint, where the endpoint lets in tokens only."""
    kubernetes.use_secret_as_env(
        task, "modelsat-tokens", secret_key_to_env={"endpoint": "MODELSAT_ENDPOINT_TOKEN"}, optional=True
    )


def with_candidate_keys(task: dsl.PipelineTask) -> None:
    """Give a step the keys of the candidates that it asks, a file each: which ones there are, only the secret knows."""
    kubernetes.use_secret_as_volume(task, _UPSTREAM_KEYS, mount_path=_KEYS, optional=True)
    task.set_env_variable("MODELSAT_KEYS", _KEYS)


def with_secrets(task: dsl.PipelineTask) -> None:
    """Give a step what it needs for S3, MLflow and signed bundles; every secret is optional, none is a parameter."""
    kubernetes.use_secret_as_env(
        task,
        secret_name="modelsat-s3",
        secret_key_to_env={
            "access-key-id": "AWS_ACCESS_KEY_ID",
            "secret-access-key": "AWS_SECRET_ACCESS_KEY",
            "endpoint-url": "AWS_ENDPOINT_URL",
            "region": "AWS_DEFAULT_REGION",
        },
        optional=True,
    )
    kubernetes.use_secret_as_env(
        task,
        secret_name="modelsat-mlflow",
        secret_key_to_env={"username": "MLFLOW_TRACKING_USERNAME", "password": "MLFLOW_TRACKING_PASSWORD"},
        optional=True,
    )
    kubernetes.use_secret_as_env(
        task,
        "modelsat-signing",
        secret_key_to_env={
            "key": "MODELSAT_SIGNING_KEY",
            "private-key": "MODELSAT_SIGNING_PRIVATE_KEY",
            "public-keys": "MODELSAT_SIGNING_PUBLIC_KEYS",
        },
        optional=True,
    )
    # Which variables a catalogue may name is the same rule in every step that reads it, and in the gateway.
    kubernetes.use_secret_as_env(task, _UPSTREAM_KEYS, secret_key_to_env={SETTING: SETTING}, optional=True)
