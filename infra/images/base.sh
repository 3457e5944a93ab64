#!/usr/bin/env bash
# Makes a base image from Debian packages, for machines that reach no container registry. Needs root and debootstrap.
#
#   TAG=modelsat/base:bookworm infra/images/base.sh
#
# SUITE names the Debian release (bookworm has Python 3.11), MIRROR a package mirror other than debootstrap's own,
# DOCKER another docker command.
set -euo pipefail

TAG=${TAG:-modelsat/base:bookworm}
SUITE=${SUITE:-bookworm}
DOCKER=${DOCKER:-docker}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
    "$SUITE" "$root" ${MIRROR:+"$MIRROR"}

# What no process reads; the licences of the packages stay.
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
    "$root"/usr/share/man/* "$root"/usr/share/locale/*
find "$root/usr/share/doc" -type f ! -name copyright -delete
find "$root" -xdev -name __pycache__ -prune -exec rm -rf {} +

# An imported image has no PATH, and without one nothing in it is found.
tar -C "$root" --numeric-owner -c . | $DOCKER import \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV LANG=C.UTF-8' \
    --change 'CMD ["python3"]' \
    - "$TAG"
