"""What the processes that `tests.forking` forks have imported before they begin.

Libraries, and the desk, which is started most often. The worker is not here: a module that defines
metrics would have the desk serve them, too.
"""

import gc

import celery.worker
import kombu.transport.redis
import safetensors.torch
import stamina
import torchvision

import desk.commands.serving

__all__ = ["celery", "desk", "kombu", "safetensors", "stamina", "torchvision"]

gc.freeze()  # or each process would look for rubbish in all of it
