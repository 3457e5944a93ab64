"""The edge to DeepSpeed: fine-tuning of the Model-SAT network, started by torchrun."""
