"""``python -m atvg.studio``: the app of an installed package, as ``app.py`` is that of a clone."""

from atvg.face.silence import silence_native_logs
from atvg.studio.serve import built, serve

if __name__ == "__main__":
    silence_native_logs()
    serve(built())
