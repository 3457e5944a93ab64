# The endpoint: KServe's predictor with one router, from a folder, S3 or MLflow; and the gateway (`modelsat gateway`).
#
#   docker build -f infra/images/serving.Dockerfile .        or: infra/images/build.sh serving
#   docker run -p 8080:8080 -v /path/to/bundle:/mnt/models:ro modelsat/serving-python:0.2.0
#
# Any base with Python 3.11, its venv module and CA certificates will do.
ARG BASE_IMAGE=python:3.11-slim

# What is to be installed, apart from the rest of pyproject.toml, so that another change there installs nothing anew.
FROM ${BASE_IMAGE} AS requirements
WORKDIR /requirements
COPY pyproject.toml infra/images/requirements.py ./
RUN python3 requirements.py serve sessions traces > requirements.txt

FROM ${BASE_IMAGE} AS build
# pip asks its usual index, or the one named here; wheels in the context's folder `wheelhouse` are considered too, and
# with PIP_NO_INDEX=1 nothing else. These arguments stay in this stage.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ARG PIP_CERT
ARG PIP_NO_INDEX
ENV PIP_CONSTRAINT=/wheelhouse/constraints.txt PIP_FIND_LINKS=/wheelhouse \
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY constraints.txt wheelhous[e] /wheelhouse/
RUN ["python3", "-m", "venv", "/opt/modelsat"]
ENV PATH=/opt/modelsat/bin:$PATH
# Torch by itself, from an index of its own where one is named; the other packages then accept its build. Its
# tests and headers are an eighth of it.
ARG TORCH_INDEX
RUN pip install --no-deps --no-compile ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch && \
    cd /opt/modelsat/lib/python3*/site-packages/torch && rm -rf include test bin/*[tT]est* bin/protoc*
COPY --from=requirements /requirements/requirements.txt ./
RUN pip install --no-compile -r requirements.txt
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
RUN pip wheel --no-deps --wheel-dir /wheel . && pip install --no-deps --prefix /package /wheel/*.whl

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
