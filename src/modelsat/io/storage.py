"""Files behind a URI: a folder on this machine or `s3://bucket/prefix` through boto3.

Every object is verified by our own SHA-256 digests, since few S3 servers check theirs.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modelsat.errors import ConflictError, InputError, ServiceError
from modelsat.io import s3
from modelsat.io.atomic import atomic_file, naming_full_disk
from modelsat.io.s3 import is_s3

__all__ = [
    "SourceFile",
    "count",
    "create",
    "fetch_folder",
    "file_digest",
    "fingerprint",
    "is_s3",
    "join",
    "names",
    "publish_folder",
    "read",
    "snapshot",
]
_MOST_NAME_BYTES = 240
"""File systems take 255, of which a file that is being written needs some."""
_NO_FILES = "{!r} holds no files; name a folder or s3:// prefix with benchmark results"


@dataclass(frozen=True)
class SourceFile:
    """One file of a snapshot: where it came from, where it lies now, and what it held."""

    uri: str
    path: Path
    name: str
    digest: str


def snapshot(uri: str, into: Path) -> list[SourceFile]:
    """Make every file below `uri` available locally, sorted by name.

    Args:
        uri: A folder, a file, or `s3://bucket/prefix`.
        into: Folder that receives copies of S3 objects; files on this machine are read where they lie.

    Raises:
        InputError: There are no files.
        ServiceError: S3 refused, or an object changed while it was read.
    """
    files = _s3_snapshot(uri, into) if is_s3(uri) else _folder_snapshot(Path(uri))
    if not files:
        raise InputError(_NO_FILES.format(uri))
    return sorted(files, key=lambda file: file.name)


def count(uri: str) -> int:
    """Return how many files lie below `uri`, without reading them.

    Raises:
        InputError: There are no files.
        ServiceError: S3 refused.
    """
    if is_s3(uri):
        bucket, prefix = s3.bucket_and_key(uri)
        relative = [key[len(prefix) :] for key, _ in s3.list_keys(bucket, prefix)]
        files = sum(not _is_hidden(name) for name in relative)
    else:
        files = len(_visible(Path(uri)))
    if not files:
        raise InputError(_NO_FILES.format(uri))
    return files


def join(uri: str, *names: str) -> str:
    """Append path segments to a folder or S3 URI."""
    return "/".join([uri.rstrip("/"), *names])


def publish_folder(folder: Path, uri: str, last: str) -> None:
    """Copy a folder to a location of its own, the file named `last` at the end; if that exists, return at once.

    Readers trust only what `last` (a manifest with digests) names, so a killed copy is invisible and a second
    call completes it.
    """
    if last in names(uri):
        return
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in [*(path for path in paths if path != last), last]:
        target = join(uri, name)
        if is_s3(uri):
            bucket, key = s3.bucket_and_key(target)
            with s3.naming_faults(target), (folder / name).open("rb") as file:
                s3.client().put_object(Bucket=bucket, Key=key, Body=file)
        else:
            # Staged outside the folder: leftovers of a killed copy would make the bundle invalid.
            with atomic_file(target, staging=Path(uri).parent) as beside:
                shutil.copyfile(folder / name, beside)


def fetch_folder(uri: str, into: Path) -> None:
    """Copy every file below `uri` into the existing folder `into`."""
    for file in snapshot(uri, into):
        if not is_s3(uri):
            target = into / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, target)


def names(uri: str) -> list[str]:
    """Return the sorted names of the files directly below `uri`; empty where it does not exist."""
    if is_s3(uri):
        bucket, prefix = s3.bucket_and_key(uri)
        below = f"{prefix.rstrip('/')}/" if prefix else ""
        relative = [key[len(below) :] for key, _ in s3.list_keys(bucket, prefix) if key.startswith(below)]
        return sorted(key for key in relative if key and "/" not in key)
    folder = Path(uri)
    return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def read(uri: str) -> bytes:
    """Return the content of one file.

    Raises:
        InputError: There is no such file.
        ServiceError: S3 refused.
    """
    if is_s3(uri):
        with s3.naming_faults(uri):
            bucket, key = s3.bucket_and_key(uri)
            return bytes(s3.client().get_object(Bucket=bucket, Key=key)["Body"].read())
    try:
        return Path(uri).read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{uri!r} does not exist; check the path") from error


def fingerprint(uri: str) -> str:
    """Return a text that changes when a file below `uri` is added, removed or written; empty where there is none.

    No content is read: in S3 an object's ETag stands for it, in a folder its size and time of change.

    Raises:
        ServiceError: S3 refused.
    """
    if is_s3(uri):
        marks: list[tuple[object, ...]] = list(s3.list_keys(*s3.bucket_and_key(uri)))
    else:
        marks = list(_marks(Path(uri.removeprefix("file://"))))
    return hashlib.sha256(repr(sorted(marks)).encode()).hexdigest() if marks else ""


def create(uri: str, content: bytes) -> None:
    """Write a file that must not exist yet; of two writers exactly one succeeds.

    Raises:
        ConflictError: The file exists.
        ServiceError: S3 refused, or ignores conditional writes.
    """
    if is_s3(uri):
        bucket, key = s3.bucket_and_key(uri)
        s3.prove_conditional_writes(bucket, key.rpartition("/")[0])
        with s3.naming_faults(uri):
            s3.client().put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
        return
    path = Path(uri)
    with naming_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).chmod(0o644)
            os.link(beside, path)
        except FileExistsError as error:
            raise ConflictError(f"{uri!r} exists already; read it and decide again") from error
        finally:
            Path(beside).unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _marks(folder: Path) -> Iterator[tuple[object, ...]]:
    for path in folder.rglob("*"):
        # Another process may remove a file between the two calls.
        with contextlib.suppress(FileNotFoundError):
            about = path.stat()
            yield str(path), about.st_size, about.st_mtime_ns


def _folder_snapshot(root: Path) -> list[SourceFile]:
    paths = _visible(root)
    base = root.parent if root.is_file() else root
    return [SourceFile(str(path), path, path.relative_to(base).as_posix(), file_digest(path)) for path in paths]


def _visible(root: Path) -> list[Path]:
    """Return the files below a folder, without hidden ones and what lies in hidden folders, or the file itself."""
    if not root.exists():
        raise InputError(f"{str(root)!r} does not exist; name a folder or s3:// prefix with benchmark results")
    if root.is_file():
        return [root]
    return [path for path in root.rglob("*") if path.is_file() and not _is_hidden(path.relative_to(root).as_posix())]


def _is_hidden(name: str) -> bool:
    """Return whether a file is hidden, or inside a hidden folder.

    A folder that lm-evaluation-harness named after a path, such as `.__checkpoints__x`, is not hidden.
    """
    *folders, last = name.split("/")
    return last.startswith(".") or any(folder.startswith(".") and "__" not in folder for folder in folders)


def _s3_snapshot(uri: str, into: Path) -> list[SourceFile]:
    bucket, prefix = s3.bucket_and_key(uri)
    files: dict[str, SourceFile] = {}
    for key, etag in s3.list_keys(bucket, prefix):
        name = key[len(prefix) :].lstrip("/") or PurePosixPath(key).name
        where = f"s3://{bucket}/{key}"
        parts = name.split("/")
        if "\0" in name or any(len(part.encode()) > _MOST_NAME_BYTES for part in parts):
            raise InputError(f"{where[:200]!r} ... is no name that a file could have; give the object a shorter one")
        if ".." in parts or (into / name).resolve() == into.resolve():
            raise InputError(f"{where!r} would be written outside its folder; rename the object")
        if key.endswith("/") or _is_hidden(name):
            continue
        path = into / PurePosixPath(name)
        if str(path) in files or path.exists() or any(parent.is_file() for parent in path.parents):
            raise InputError(f"{where!r} and another object would be the same file; rename one of them")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with s3.naming_faults(where), atomic_file(path) as beside:
                body = s3.client().get_object(Bucket=bucket, Key=key, IfMatch=etag)["Body"]
                with beside.open("wb") as out:
                    shutil.copyfileobj(body, out, 2**20)
        except ConflictError as error:
            raise ServiceError(f"{where!r} changed while it was read; run again when nothing writes there") from error
        files[str(path)] = SourceFile(where, path, name, file_digest(path))
    return list(files.values())
