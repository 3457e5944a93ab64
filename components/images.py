"""The images in which the components run; the environment of whoever compiles may name others, by digest."""

import os

PIPELINE = os.environ.get("MODELSAT_PIPELINE_IMAGE", "modelsat/pipeline-python:0.2.0")
"""CPU work without torch: collect, validate, instruct, register, promote."""

TRAINING = os.environ.get("MODELSAT_TRAINING_IMAGE", "modelsat/training-python:0.2.0")
"""Torch and DeepSpeed: fine-tune and evaluate."""
