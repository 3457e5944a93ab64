"""Component: tell somebody that a run failed."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.PIPELINE, install_kfp_package=False)
def notify(status: dsl.PipelineTaskFinalStatus) -> str:
    """Post one sentence on a run that did not succeed to the address in the secret modelsat-notifications.

    Args:
        status: How the run ended, from Kubeflow.

    Returns:
        The sentence.
    """
    from modelsat.steps import notify

    return notify.run(status.state, status.pipeline_job_resource_name, status.error_message)
