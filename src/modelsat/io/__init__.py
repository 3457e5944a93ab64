"""Files, S3, MLflow and HTTP: everything that crosses the edge of the process, and how its progress is shown."""
