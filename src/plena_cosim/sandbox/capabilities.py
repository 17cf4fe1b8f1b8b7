"""capabilities: what root may do, given up for good."""

from __future__ import annotations

import ctypes
import os
import struct

from .calls import CALLS
from .kernel import PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, prctl, syscall
from .seccomp import architecture

_VERSION_3 = 0x20080522


def give_up(user: int | None = None) -> None:
    """Give up every capability, also those that running a file of root's would bring.

    Args:
        user: number of the user and group to become first; None: stay who it is.

    Raises:
        OSError: the kernel refused.
    """
    for number in range(64):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError:  # no such capability; or none that an ordinary user could give up
            break
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0), 8)
    nothing = ctypes.create_string_buffer(24)
    number = CALLS["capset"][architecture().column] or 0
    syscall(number, ctypes.byref(header), ctypes.byref(nothing))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
