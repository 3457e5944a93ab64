"""Everything modelsat raises on purpose, and the exit code that each class stands for.

    ModelsatError            1  something else went wrong
    ├── InputError           2  a file, setting or argument is unusable
    ├── ValidationFailed     3  the collected data breaks its contract
    ├── ConflictError        4  somebody else changed the same thing first
    ├── ServiceError         5  a party outside did not do its part
    ├── ResourceError        6  disk, memory or time ran out
    └── VerdictNo            7  a promotion was asked for and the gate said no

A message says what is wrong, where, and what to do, in one sentence.
"""


class ModelsatError(Exception):
    """Root of the hierarchy; `exit_code` is what the command line returns."""

    exit_code = 1


class InputError(ModelsatError):
    """A file, setting or argument cannot be used as it is."""

    exit_code = 2


class UnsetVariable(InputError):
    """An environment variable that holds a key is not set: the request is right, and works once it is."""


class ValidationFailed(ModelsatError):
    """Collected data breaks its contract; the validation page shows the rows."""

    exit_code = 3


class ConflictError(ModelsatError):
    """The thing to be created exists already, with other content."""

    exit_code = 4


class ServiceError(ModelsatError):
    """A server outside (S3, MLflow, the endpoint) did not do its part."""

    exit_code = 5


class ResourceError(ModelsatError):
    """Disk, memory or time ran out; nothing half-written is left."""

    exit_code = 6


class VerdictNo(ModelsatError):
    """The caller asked for a promotion and the gate refused it."""

    exit_code = 7


def of_exit_code(code: int) -> type[ModelsatError]:
    """Return the class that stands for an exit code; the root of the hierarchy where none does.

    A step that runs as a process of its own passes on its kind of error as this number.
    """
    # A class from elsewhere that only inherits its code is not what the code stands for.
    return next((cls for cls in ModelsatError.__subclasses__() if vars(cls).get("exit_code") == code), ModelsatError)
