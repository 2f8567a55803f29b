"""What people who wait are told: how long a job takes, by which Gradio reckons when the turn of each comes."""

from collections import deque

from gradio.queueing import ProcessTime

from atvg.studio.settings import MAX_AGE

_NEWEST = 12  # jobs: as many as may wait


class Recent(ProcessTime):
    """Seconds that the newest jobs took, on average.

    Gradio's own is of all that there ever were: it learns slowly that the app has become busier, and a clock that jumps
    while a job is drawn would stand in it for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._newest: deque[float] = deque(maxlen=_NEWEST)

    def add(self, time: float) -> None:
        """One more took so many seconds; unless that is no time that a job can take."""
        if 0 <= time < MAX_AGE:
            self._newest.append(time)
            self.avg_time = sum(self._newest) / len(self._newest)  # type: ignore[assignment]  # Gradio's begins with 0
