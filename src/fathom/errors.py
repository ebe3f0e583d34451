"""Every error that fathom raises on purpose; each knows the exit code that the command line gives it."""


class FathomError(Exception):
    """The run or the check failed: exit code 1.

    The message says what was expected, what came and what to do, in one line.
    """

    exit_code = 1


class InputError(FathomError, ValueError):
    """A wrong word or bad input: exit code 2."""

    exit_code = 2


class UnknownNameError(InputError):
    """A name that no registry, dataset or recipe has."""


class ShapeError(InputError):
    """A tensor whose shape does not fit."""


class DataError(InputError):
    """A file that is missing, truncated, corrupt or not what it should be."""


class ChecksumError(DataError):
    """A file of a registered set that is damaged: its bytes are not those that its card names."""

    exit_code = 1


class RunFolderError(InputError):
    """A folder that is not a run, or one of another recipe or other settings."""


class DeviceError(InputError):
    """A device that this machine does not have."""


class MissingExtraError(InputError):
    """An optional package that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}: run pip install 'fathom-dl[{extra}]'")


class DownloadError(FathomError):
    """No mirror gave the file, or it came with another checksum."""


class SaveError(FathomError):
    """A file could not be written whole (disk full, no permission); the old one is still there."""


class DivergedError(FathomError):
    """The loss is NaN or infinite; the last good checkpoint is kept."""


class Stopped(FathomError):
    """SIGINT or SIGTERM came; the state has been saved. Exit code 130 or 143."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
