"""Where a bundle lies, seen from the champion records beside it, so that a project's folder can be moved.

A record in `.run/champions` names `.run/bundles/...` as `../bundles/...`. Records of 0.1.0 hold absolute paths, which
are read as they are, as are addresses in S3 or MLflow and bundles elsewhere on the machine.
"""

import os
from pathlib import Path

_FROM_HERE = ("./", "../")


def written(bundle_uri: str, store: str) -> str:
    """Return the address of a bundle as a record of a store holds it.

    Args:
        bundle_uri: A folder, or an address with a scheme.
        store: Folder or `s3://` prefix of the records.
    """
    if _has_scheme(bundle_uri) or _has_scheme(store) or not Path(bundle_uri).is_absolute():
        return bundle_uri
    records = Path(os.path.abspath(store))  # noqa: PTH100  a link in the path is kept as it is
    bundle = Path(os.path.normpath(bundle_uri))
    return (
        f"../{bundle.relative_to(records.parent).as_posix()}" if bundle.is_relative_to(records.parent) else bundle_uri
    )


def resolved(address: str, store: str) -> str:
    """Return the address of a bundle by what a record of a store holds."""
    if _has_scheme(store) or not address.startswith(_FROM_HERE):
        return address
    return os.path.normpath(os.path.join(os.path.abspath(store), address))  # noqa: PTH100, PTH118


def _has_scheme(uri: str) -> bool:
    return "://" in uri or uri.startswith("models:/")
