# The endpoint: KServe's predictor with one router, from a folder, S3 or MLflow; and the gateway (`modelsat gateway`).
#
#   docker build -f infra/images/serving.Dockerfile .        or: infra/images/build.sh serving
#   docker run -p 8080:8080 -v /path/to/bundle:/mnt/models:ro modelsat/serving-python:0.2.0
#
# Any base with Python 3.11, its venv module and CA certificates will do.
ARG BASE_IMAGE=python:3.11-slim

# What is to be installed, apart from the rest of pyproject.toml, so that another change there installs nothing anew.
FROM ${BASE_IMAGE} AS requirements
# pip refuses every file whose digest is not in hashes.txt. Wheels in the context may have been built here, from sources
# that were; build.sh checks them against a list of their own.
ARG PIP_NO_INDEX
WORKDIR /requirements
COPY pyproject.toml hashes.txt infra/images/requirements.py ./
RUN python3 requirements.py ${PIP_NO_INDEX:+--without-hashes} serve sessions traces

FROM ${BASE_IMAGE} AS build
# pip asks its usual index, or the one named here; wheels in the context's folder `wheelhouse` are considered too, and
# with PIP_NO_INDEX=1 nothing else. These arguments stay in this stage.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ARG PIP_CERT
ARG PIP_NO_INDEX
ENV PIP_FIND_LINKS=/wheelhouse PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY hashes.txt wheelhous[e] /wheelhouse/
RUN ["python3", "-m", "venv", "/opt/modelsat"]
ENV PATH=/opt/modelsat/bin:$PATH
# What builds stands apart, so that none of it reaches the image, and pip fetches no builders of its own choice.
COPY --from=requirements /requirements/build-system.txt ./
RUN python3 -m venv /builder && /builder/bin/pip install --no-deps --no-compile -r build-system.txt
# Torch by itself, from an index of its own where one is named. Its tests and headers are an eighth of it.
ARG TORCH_INDEX
COPY --from=requirements /requirements/torch.txt ./
RUN pip install --no-deps --no-compile ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -r torch.txt && \
    cd /opt/modelsat/lib/python3*/site-packages/torch && rm -rf include test bin/*[tT]est* bin/protoc*
COPY --from=requirements /requirements/requirements.txt /requirements/cuda.txt ./
RUN /builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels -r requirements.txt && \
    pip install --no-deps --no-compile --no-index /wheels/*.whl && rm -r /wheels && \
    { python -c "import torch" || pip install --no-deps --no-compile -r cuda.txt; }
# Importing compiles what a start needs, a third of what pip would compile, and shows that all of it is there.
RUN python -c "import boto3, fastapi, httpx, kserve, mlflow.pyfunc, prometheus_client, pyarrow.parquet, torch, \
    transformers.models.bert.modeling_bert, uvicorn"

# Our own code by itself, so that a change of it is one small layer of the image.
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY components components
COPY pipelines pipelines
COPY training training
COPY serving serving
RUN /builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . && \
    pip install --no-deps --prefix /package /wheel/*.whl

FROM ${BASE_IMAGE}
RUN useradd --uid 10001 --gid 0 --create-home modelsat && chmod g=u /home/modelsat
COPY --from=build /opt/modelsat /opt/modelsat
COPY --from=build /package /opt/modelsat
ENV PATH=/opt/modelsat/bin:$PATH HOME=/home/modelsat PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 GIT_PYTHON_REFRESH=quiet
WORKDIR /home/modelsat
USER 10001
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="modelsat serving" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION
EXPOSE 8080
ENTRYPOINT ["modelsat", "serve", "--host", "0.0.0.0", "--port", "8080"]
# Where KServe puts the files of a model.
CMD ["--bundle", "/mnt/models"]
