"""What people who wait are told: when theirs should be done, by how much voice is before them."""

import time
from collections import defaultdict, deque
from weakref import WeakKeyDictionary

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.queueing import Event, Queue
from gradio.server_messages import EstimationMessage, EventMessage, ProcessCompletedMessage, ProcessStartsMessage

_NEWEST = 12  # jobs: as many as may wait
_SETTLING = 1.5  # seconds of voice that are drawn in the time which a job takes apart from drawing


class Pace:
    """How long jobs of one kind take, by the newest of them: so much for each second of voice."""

    def __init__(self) -> None:
        self._newest: deque[tuple[float, float]] = deque(maxlen=_NEWEST)

    def add(self, voice: float, took: float) -> None:
        """One more, of so many seconds of voice, took so many seconds."""
        self._newest.append((voice + _SETTLING, took))

    def of(self, voice: float) -> float | None:
        """Seconds that one of so much voice takes; None as long as there has been none of the kind."""
        if not self._newest:
            return None
        voices, times = map(sum, zip(*self._newest, strict=True))
        return (voice + _SETTLING) * times / voices


class Turns(Queue):
    """Gradio's queue, which reckons otherwise when the job of each should be done.

    Gradio takes the mean of all jobs that there ever were: two minutes of voice as much as two seconds, a clock that
    jumped for ever, and it learns slowly that the app has become busier.
    """

    def __init__(self, page: gr.Blocks, most: int):
        super().__init__(
            live_updates=True, concurrency_count=page.max_threads, update_intervals=1, max_size=most, blocks=page
        )
        self._paces: defaultdict[BlockFunction, Pace] = defaultdict(Pace)
        self._began: WeakKeyDictionary[Event, float] = WeakKeyDictionary()  # those at work, by the steady clock

    def send_message(self, event: Event, event_message: EventMessage) -> None:
        """Tells a visitor what becomes of their job, and learns from it."""
        if isinstance(event_message, ProcessStartsMessage):
            self._began[event] = time.monotonic()
            event_message.eta = self._length(event)
        elif isinstance(event_message, ProcessCompletedMessage):
            began = self._began.get(event)
            if began is not None and event_message.success:
                self._paces[event.fn].add(_voice(event), time.monotonic() - began)
        super().send_message(event, event_message)

    def broadcast_estimations(self, concurrency_id: str, after: int | None = None) -> None:
        """Tells those who wait for one of a kind of workers, from the place `after` on, when they should be done."""
        queue = self.event_queue_per_concurrency_id[concurrency_id]
        workers = queue.concurrency_limit or float("inf")
        wait = self._until_free(concurrency_id) if queue.current_concurrency == workers else 0.0
        for place, event in enumerate(queue.queue):
            length = self._length(event)
            done = None if wait is None or length is None else wait + length
            if place >= (after or 0):
                self.send_message(event, EstimationMessage(rank=place, rank_eta=done, queue_size=len(queue.queue)))
            wait = None if wait is None or length is None else wait + length / workers

    def _until_free(self, concurrency_id: str) -> float | None:
        """Seconds until the first of those at work there should be done; None if that is not known."""
        now, left = time.monotonic(), []
        for event in (event for job in self.active_jobs for event in job or ()):
            if event.concurrency_id == concurrency_id:
                if (length := self._length(event)) is None:
                    return None
                left.append(max(0.0, self._began.get(event, now) + length - now))  # one that just begins is not there
        return min(left, default=0.0)

    def _length(self, event: Event) -> float | None:
        """Seconds that a job should take in all; None if there has been none of its kind."""
        return self._paces[event.fn].of(_voice(event))


def remember_voice(request: gr.Request, seconds: float) -> None:
    """Notes how much voice is drawn for this request."""
    if request.request is not None:
        request.request.state.voice = seconds


def _voice(event: Event) -> float:
    return getattr(event.request.state, "voice", 0.0)
