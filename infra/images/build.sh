#!/usr/bin/env bash
# Builds the container images.
#
#   infra/images/build.sh [pipeline|training|serving|all]
#
# BASE_IMAGE   base of every stage; default: the one in the container files. `base.sh` makes one without a registry.
# WHEELHOUSE   folder of wheels (`wheelhouse.sh` fills one); the build then uses no network.
# WHEELS_DIGEST  SHA-256 of the wheelhouse's SHA256SUMS, as `wheelhouse.sh` printed it; another list of wheels is refused.
# RELEASE      1 refuses what is not pinned: a BASE_IMAGE without @sha256:..., or a build without WHEELS_DIGEST.
# TAG          default: the project's version.       REPOSITORY   default: modelsat
# TORCH_INDEX  index of torch builds, such as those without CUDA.
# ACCELERATOR  of the training image, cpu or cuda; default: cpu.
# DOCKER       another docker command.
#
# pip's own PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_TRUSTED_HOST and PIP_CERT are handed on where they are set.
set -euo pipefail
WHEELHOUSE=${WHEELHOUSE:+$(realpath "$WHEELHOUSE")}
cd "$(dirname "$0")/../.."

REPOSITORY=${REPOSITORY:-modelsat}
DOCKER=${DOCKER:-docker}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || echo unknown)

refuse() {
    echo "$1" >&2
    exit 2
}

if [ "${RELEASE:-}" = 1 ]; then
    [[ ${BASE_IMAGE:-} =~ @sha256:[0-9a-f]{64}$ ]] || refuse "a release needs a base by digest; set BASE_IMAGE to NAME@sha256:..."
    [ -n "$WHEELHOUSE" ] && [ -n "${WHEELS_DIGEST:-}" ] || refuse "a release needs known wheels; set WHEELHOUSE and WHEELS_DIGEST"
fi
if [ -n "${WHEELS_DIGEST:-}" ]; then
    sums="${WHEELHOUSE:?WHEELS_DIGEST is of a wheelhouse; set WHEELHOUSE}/SHA256SUMS"
    [ "$(sha256sum <"$sums" | cut -c-64)" = "$WHEELS_DIGEST" ] || refuse "$sums is not the list that WHEELS_DIGEST names"
fi
if [ -f "$WHEELHOUSE/SHA256SUMS" ]; then
    (
        cd "$WHEELHOUSE"
        sha256sum --check --strict --quiet SHA256SUMS >&2 &&
            diff <(printf '%s\n' *.whl | sort) <(cut -c67- SHA256SUMS | sort) >&2
    ) || refuse "the wheels in $WHEELHOUSE are not those of its SHA256SUMS; fill it again with wheelhouse.sh"
fi

options=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision")
handed_on=(BASE_IMAGE)
if [ -n "$WHEELHOUSE" ]; then
    options+=(--network none --build-arg PIP_NO_INDEX=1)
else
    handed_on+=(PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_CERT)
fi

context() {
    local wheels=()
    if [ -n "$WHEELHOUSE" ]; then
        wheels=("$WHEELHOUSE"/*.whl)
        wheels=(-C "$WHEELHOUSE" --transform 's,^[^/]*\.whl$,wheelhouse/&,' "${wheels[@]##*/}")
    fi
    tar -c --exclude=__pycache__ \
        pyproject.toml hashes.txt README.md LICENSE src components pipelines training serving infra/images \
        "${wheels[@]}"
}

build() {
    local name=$1 argument arguments=()
    shift
    for argument in "${handed_on[@]}" "$@"; do
        [ -z "${!argument:-}" ] || arguments+=(--build-arg "$argument=${!argument}")
    done
    context | $DOCKER build --file "infra/images/$name.Dockerfile" --tag "$REPOSITORY/$name-python:${TAG:-$version}" \
        "${options[@]}" "${arguments[@]}" -
}

case ${1:-all} in
    pipeline) build pipeline ;;
    training) build training TORCH_INDEX ACCELERATOR ;;
    serving) build serving TORCH_INDEX ;;
    all)
        build pipeline
        build training TORCH_INDEX ACCELERATOR
        build serving TORCH_INDEX
        ;;
    *)
        echo "usage: $0 [pipeline|training|serving|all]" >&2
        exit 2
        ;;
esac
