"""What the processes that `tests.forking` forks have imported before they begin.

Libraries, and the desk, which is started most often. The worker and the trainer are not here: a
module that defines metrics would have the desk serve them, too.
"""

import gc
from importlib import import_module

LIBRARIES = (
    *("celery.worker", "filelock", "kombu.transport.redis", "stamina"),
    *("safetensors.torch", "torchvision"),
    *("scipy.fft", "scipy.optimize", "scipy.sparse.csgraph", "scipy.stats", "sklearn.metrics"),
    *("matplotlib.backends.backend_agg", "tensorboardX"),
)

for name in (*LIBRARIES, "desk.commands.serving"):
    import_module(name)

gc.freeze()  # or each process would look for rubbish in all of it
