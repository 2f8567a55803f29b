"""The app: a page on which a photo and a voice become a talking face. Only this folder knows Gradio.

`page.build` makes the page, `serve.serve` runs it. Each tab is a class in a file of its own: `talk` (with `photo`,
`voice`, `controls` and `result`), `live`, `inside`, `ablations`, `compare`, `trouble` and `about`. Its `show` makes
what is seen, its `wire` says what that does, and below stand the handlers that do it; of their names, parameters and
docstrings Gradio makes the endpoints of its API. Whatever tabs share is in `studio.Studio`; what is chosen is in the
page's address, by `link`.

This file runs before any other of the folder, so here is done what must come before Gradio and torch are imported.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from atvg.studio.memory import share_arenas

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing is sent or fetched at run time
# What Gradio counts of every job is shown nowhere; it would keep 10 000, and sum them up with pandas after each.
os.environ |= {"GRADIO_ANALYTICS_MAX_EVENTS": "1", "GRADIO_ANALYTICS_CACHE_FREQUENCY": str(10**9)}
# A folder of its own: what is old in it is deleted, and Gradio's default is shared by all its apps.
os.environ.setdefault("GRADIO_TEMP_DIR", str(Path(tempfile.gettempdir()) / "atvg-app"))

# Gradio asks matplotlib for its backend at every job; unless one is named, that loads pyplot to look for a screen.
os.environ.setdefault("MPLBACKEND", "agg")
# NumPy's OpenBLAS hands parts of a product to threads of its own, with which two products at a time have waited for
# each other for ever: a live face's, and those of a video that was being drawn. There are few, and they are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
share_arenas()

try:  # on a Space with ZeroGPU, which wants to be imported before torch
    from spaces import GPU as on_gpu
except ImportError:  # anywhere else

    def on_gpu(work: Callable) -> Callable:
        return work
