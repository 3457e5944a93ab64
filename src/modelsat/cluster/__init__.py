"""The only package that knows Kubernetes, KServe, the Kubeflow Trainer and torchrun."""
