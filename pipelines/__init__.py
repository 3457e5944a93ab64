"""The pipelines: graphs of components, their compiled YAML, and how to run them."""
