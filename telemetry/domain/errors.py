"""What can go wrong when asking for measurements. An empty answer is not among them: it is no data."""


class MetricsError(Exception):
    """Prometheus gave no answer; `message` is its own reason where it gave one."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadQuery(MetricsError):
    """The query cannot be parsed, or does not have the shape that was asked for. Never worth a retry."""


class ExecutionFailed(MetricsError):
    """The query was understood and could not be evaluated, such as a many-to-many match."""


class QueryTimeout(MetricsError):
    """No answer within the time allowed, by the server's clock or ours."""


class MetricsUnavailable(MetricsError):
    """Prometheus cannot be reached, is starting, or answers something that is not its API."""
