"""What of the kernel isolates programs on this machine, found by trying."""

from __future__ import annotations

from functools import cache

from . import landlock
from .errors import SandboxError
from .limits import Limits
from .method import Method
from .program import Program

_TRIAL = Program(arguments=("-S", "-c", "print('runs')"))


@cache
def obstacle(method: Method) -> str:
    """Return why a method does not work here; an empty text: it does."""
    from .run import run

    if method is Method.LANDLOCK and landlock.version() < landlock.OLDEST:
        return (
            f"Landlock of version {landlock.OLDEST} (Linux 6.2) is needed, this kernel has "
            f"{landlock.version() or 'none'}"
        )
    try:
        outcome = run(_TRIAL, limits=Limits(wall_s=20.0), method=method)
    except SandboxError as error:
        return str(error)
    if not outcome.succeeded:
        said = outcome.stderr.decode(errors="replace").strip().splitlines()
        return f"Python does not start there ({said[-1] if said else outcome.ended.value})"
    return ""


def best() -> Method:
    """Return what isolates programs here.

    Raises:
        SandboxError: nothing does.
    """
    reasons = []
    for method in (Method.NAMESPACES, Method.LANDLOCK):
        reason = obstacle(method)
        if not reason:
            return method
        reasons.append(f"{method.value}: {reason}")
    raise SandboxError(
        f"nothing isolates programs on this machine ({'; '.join(reasons)}); run this on Linux 6.2 "
        "or newer, allow namespaces of users, or give --unsafe where no harm can be done"
    )
