"""What endpoint and gateway refuse: a status and one sentence, which each tells in the shape of its own protocol."""

from modelsat.errors import ModelsatError


class Refused(ModelsatError):
    """A request that is not answered.

    Attributes:
        status: HTTP status.
        retry_after: Seconds after which to try again; None where trying again is of no use.
    """

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after
