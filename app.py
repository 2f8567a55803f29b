"""The door to the app: a photo and a voice → a talking face, and what the networks computed on the way.

Run ``python app.py``, or ``atvg app``. ``ATVG_WEIGHTS`` names other weights than the shipped ones (a folder or Hub id).
The page is made in ``atvg/studio/``; every text and the look of every component are in ``assets/``.
"""

import atvg.studio  # noqa: F401  before what may import torch or Gradio: it prepares both
from atvg.face.silence import silence_native_logs
from atvg.studio.serve import built, serve

if __name__ == "__main__":
    silence_native_logs()
demo = built()  # Gradio and Hugging Face Spaces look for this name
if __name__ == "__main__":
    serve(demo)
