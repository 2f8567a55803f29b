"""How people behave at the app: what each of them does there."""

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError, ValidationError

from atvg.studio.settings import PAGE
from tests.diary import Diary, told_to
from tests.people import bring_photo, bring_voice, is_dubbed, is_own, path_in
from tests.server import Server, at_the_page, until

KINDS = {"animate": 0.46, "abandon": 1 / 3, "rubbish": 0.1, "live": 0.06, "dub": 0.05}  # of the jobs
PIECES, PIECE = 5, 3_200  # of a live voice, samples of each at 16 kHz
OTHER = 3  # by so many numbers the voice of a dub differs from that of its film, and so has other frames
TRIES = 5
AGAIN, PATIENCE = 3.0, 300  # seconds until somebody who was told that it is busy tries again, and until all give up


class Wardrobe:
    """Photos and voices of which neighbours have different ones, and rubbish."""

    def __init__(self, folder: Path):
        from skimage import data

        self._folder, self._face = folder / "brought", data.astronaut()
        self._folder.mkdir()
        self._noise = np.random.default_rng(0).uniform(-0.3, 0.3, 20_000)
        self.photos = [bring_photo(self._folder, self._face, number) for number in range(64)]
        self.voices = [bring_voice(self._folder, self._noise, number) for number in range(64)]
        self.rubbish = self._folder / "rubbish.png"
        self.rubbish.write_bytes(np.random.default_rng(1).bytes(5_000))
        sound = (self._noise[:PIECE] * 32767).astype("<i2").tobytes()
        self.piece = base64.b64encode(sound).decode()


class Visit:
    """One person with so many jobs, and a pause after each of up to twice `pause` seconds; `end` is closing time."""

    def __init__(
        self, server: Server, wardrobe: Wardrobe, diary: Diary, number: int, jobs: int, pause: float, end: float
    ):
        self._server, self._wardrobe, self._diary = server, wardrobe, diary
        self._number, self._jobs, self._pause, self._end = number, jobs, pause, end
        self._random = np.random.default_rng(number)
        self.done = 0  # jobs

    def run(self) -> None:
        """From the first to the last job, and away."""
        client = self._come()
        for job in range(self._jobs):
            if time.monotonic() > self._end:
                break
            chosen = self._random.choice(list(KINDS), p=np.array(list(KINDS.values())) / sum(KINDS.values()))
            if not self._pause:  # of those who come for the warm-up, each does everything
                chosen = list(KINDS)[job % len(KINDS)]
            number = (7 * self._number + job) % 64
            began = time.monotonic()
            try:
                getattr(self, f"_{chosen}")(client, number)
            except Exception as error:  # all of them are in the report
                self._diary.add(str(chosen), began, f"{type(error).__name__}: {error}"[:300])
            if chosen == "abandon":  # and somebody else sits down
                client.close()
                client = self._come()
            self.done += 1
            time.sleep(self._random.uniform(0, 2 * self._pause))
        client.close()

    def _come(self) -> Client:
        """Opens the page; who gets none in time tries again."""
        for _ in range(TRIES):
            began = time.monotonic()
            try:
                client = at_the_page(self._server.address)
            except (httpx.HTTPError, ValueError) as error:
                self._diary.add("page", began, f"{type(error).__name__}: {error}"[:300])
            else:
                self._diary.add("page", began, "own")
                return client
        raise TimeoutError("the page does not open")

    def _animate(self, client: Client, number: int) -> tuple | None:
        photo, voice = (handle_file(each[number]) for each in (self._wardrobe.photos, self._wardrobe.voices))
        self._timed("check_face", lambda: client.predict(photo, api_name="/check_face")[2]["found"])
        asked = {"photo": photo, "audio": voice, "seed": number, "natural": False, "api_name": "/animate"}
        return self._drawn("animate", client, lambda result: is_own(result, number), asked)

    def _drawn(self, kind: str, client: Client, check: Callable, asked: dict[str, Any]) -> tuple | None:
        """What the app draws; whoever is told that it is busy tries again."""
        end = min(time.monotonic() + PATIENCE, self._end)
        while time.monotonic() < end:
            began = time.monotonic()
            job = client.submit(**asked)
            try:
                result = job.result()
            except (AppError, ValidationError) as error:
                if PAGE["busy"] not in str(error):
                    raise
                self._diary.add(kind, began, "busy")
                time.sleep(AGAIN * self._random.uniform(0.5, 1.5))
                continue
            ended = time.monotonic()
            self._diary.add(kind, began, "own" if check(result) else "wrong", ended, told_to(job))
            return result
        return None

    def _abandon(self, client: Client, number: int) -> None:
        photo, voice = (handle_file(each[number]) for each in (self._wardrobe.photos, self._wardrobe.voices))
        began = time.monotonic()
        job = client.submit(photo, voice, api_name="/animate")
        until(lambda: job.done() or job.status().code.name != "STARTING", "for a job to arrive")
        time.sleep(self._random.uniform(0, 2))
        self._diary.add("abandon", began, "gone")

    def _rubbish(self, client: Client, number: int) -> None:
        rubbish, voice = handle_file(self._wardrobe.rubbish), handle_file(self._wardrobe.voices[number])
        began = time.monotonic()
        try:
            client.predict(rubbish, voice, api_name="/animate")
        except (AppError, ValidationError) as error:
            busy = PAGE["busy"] in str(error)
            self._diary.add("rubbish", began, "busy" if busy else "said" if "\n" not in str(error) else "wrong")
        else:
            self._diary.add("rubbish", began, "wrong")

    def _live(self, client: Client, number: int) -> None:
        began = time.monotonic()
        try:
            key = client.predict(handle_file(self._wardrobe.photos[number]), api_name="/live_start")
        except AppError:
            return self._diary.add("live_start", began, "busy")
        self._diary.add("live_start", began, "own")
        shown = 0
        for _ in range(PIECES):
            began = time.monotonic()
            shown += len(client.predict(key, 16_000, self._wardrobe.piece, api_name="/live")["frames"])
            self._diary.add("live", began, "own")
        began = time.monotonic()
        shown += len(client.predict(key, api_name="/live_stop")["frames"])
        self._diary.add("live_stop", began, "own" if shown == PIECES * PIECE // 640 else "wrong")

    def _dub(self, client: Client, number: int) -> None:
        """The video that was just made, with the voice of another."""
        made, other = self._animate(client, number), (number + OTHER) % 64
        if made is None:
            return
        film, voice = handle_file(path_in(made[0])), handle_file(self._wardrobe.voices[other])
        asked = {"film": film, "audio": voice, "api_name": "/dub"}
        self._drawn("dub", client, lambda result: is_dubbed(result, number, other), asked)

    def _timed(self, kind: str, work: Callable[[], bool]) -> None:
        began = time.monotonic()
        self._diary.add(kind, began, "own" if work() else "wrong")
