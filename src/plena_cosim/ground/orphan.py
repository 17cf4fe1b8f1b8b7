"""To be imported first by a server of processes: it then ends with its parent, also while it loads.

multiprocessing's own server looks for its parent only when all that it loads in advance is there.
Who that is, says the parent: one that is killed at once is gone before this is imported.
"""

from __future__ import annotations

import os
import threading
import time

from .lifeline import SERVED

_GLANCE_S = 0.5
_PARENT = int(os.environ.pop(SERVED, os.getppid()))


def _watch() -> None:
    while os.getppid() == _PARENT:
        time.sleep(_GLANCE_S)
    os._exit(1)


threading.Thread(target=_watch, daemon=True).start()
