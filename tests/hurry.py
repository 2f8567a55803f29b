"""How soon somebody gets an answer who only looks, while others have videos made without a pause."""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from gradio_client import handle_file
from gradio_client.exceptions import AppError, ValidationError

from tests.diary import Diary
from tests.server import Server, visitor
from tests.visits import Wardrobe

EVERY, PIECE, PIECES = 0.3, 0.2, 10  # seconds between two checks, of a piece of a live voice; pieces after a few checks
FEW = 5


def hurry(folder: Path, animating: int, seconds: float) -> dict[str, Any]:
    """Percentiles of the seconds that a check of a face and a piece of a live voice took, and videos made a second."""
    server = Server(folder, folder / "cache")
    try:
        wardrobe, diary, stop = Wardrobe(folder), Diary(), threading.Event()
        threads = [threading.Thread(target=_animate, args=(server, wardrobe, stop, at)) for at in range(animating)]
        _animate(server, wardrobe, stop, 0, once=True)  # so that all is loaded
        for thread in threads:
            thread.start()
        time.sleep(1)
        before, began = _cpu(server), time.monotonic()
        _look(server, wardrobe, diary, began + seconds)
        took, spent = time.monotonic() - began, _cpu(server) - before
        stop.set()
        for thread in threads:
            thread.join()
        return diary.report([])["seconds_by_kind"] | {"seconds": round(took, 1), "cpu_seconds": round(spent, 1)}
    finally:
        server.end()


def _animate(server: Server, wardrobe: Wardrobe, stop: threading.Event, at: int, once: bool = False) -> None:
    client, number = visitor(server.address), at
    while not stop.is_set():
        photo, voice = (handle_file(each[number % 64]) for each in (wardrobe.photos, wardrobe.voices))
        with suppress(AppError, ValidationError):  # it is busy
            client.predict(photo, voice, natural=False, api_name="/animate")
        number += 1
        if once:
            break
    client.close()


def _look(server: Server, wardrobe: Wardrobe, diary: Diary, end: float) -> None:
    client, checks = visitor(server.address), 0
    while time.monotonic() < end:
        began, photo = time.monotonic(), handle_file(wardrobe.photos[checks % 64])
        found = client.predict(photo, api_name="/check_face")[2]["found"]
        diary.add("check_face", began, "own" if found else "wrong")
        checks += 1
        if checks % FEW == 0:
            key = client.predict(photo, api_name="/live_start")
            for _ in range(PIECES):
                began = time.monotonic()
                client.predict(key, 16_000, wardrobe.piece, api_name="/live")
                diary.add("live", began, "own")
                time.sleep(max(0.0, began + PIECE - time.monotonic()))
            client.predict(key, api_name="/live_stop")
        time.sleep(EVERY)
    client.close()


def _cpu(server: Server) -> float:
    """Seconds that the app has computed, without programs that it has started."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
