"""What Gradio keeps of sessions that have left: messages until they ask, of two minutes of video 15 MB of previews; and
for an hour their state, a quarter of a megabyte."""

from asyncio import Queue as Messages
from contextlib import suppress
from typing import Any

from gradio.queueing import Queue
from gradio.state_holder import StateHolder
from gradio.utils import LRUCache


class _Mail(LRUCache):
    """Messages by session. Those to one that has been forgotten go nowhere; Gradio's own loops would end there."""

    def __missing__(self, session: str) -> Messages:
        return Messages()

    def __delitem__(self, session: str) -> None:
        with suppress(KeyError):
            super().__delitem__(session)


class _Jobs(dict):
    """Jobs of which the last message has not been fetched, by session; a session that has been forgotten has none."""

    def __missing__(self, session: str) -> set[str]:
        return set()


class Undelivered:
    """Forgets sessions that have left, once no work for them goes on, and messages to programs that never ask."""

    def __init__(self, queue: Queue):
        self._queue = queue
        queue.pending_messages_per_session = _Mail(queue.pending_messages_per_session.max_size)
        queue.pending_event_ids_session = _Jobs()
        self._gone: dict[str, StateHolder] = {}  # sessions that have left, while work for them goes on
        self._seen: dict[str, frozenset[str]] = {}  # what `tidy` found: sessions without work, and their jobs

    def forget(self, session: str, states: StateHolder) -> None:
        """A session has left. If work for it goes on, which makes its state anew, it is forgotten when others leave."""
        self._gone[session] = states
        self._forget_gone()

    def _forget_gone(self) -> None:
        at_work = self._at_work()
        for session in [session for session in self._gone if session not in at_work]:
            self._drop(session)
            if states := self._gone.pop(session, None):  # `tidy` runs in a thread of its own
                drop_state(states, session)

    def tidy(self) -> None:
        """Forgets sessions whose jobs had all ended when this was last called, and that have begun none since."""
        self._forget_gone()
        mail, jobs = self._queue.pending_messages_per_session, self._queue.pending_event_ids_session
        at_work = self._at_work()
        found = {session: frozenset(jobs[session]) for session in {*list(mail), *list(jobs)} if session not in at_work}
        forgotten = {session for session, ended in found.items() if self._seen.get(session) == ended}
        for session in forgotten:
            self._drop(session)
        self._seen = {session: ended for session, ended in found.items() if session not in forgotten}

    def _at_work(self) -> set[str]:
        """Sessions with a job that waits or runs."""
        events: dict[str, Any] = self._queue.event_ids_to_events
        return {event.session_hash for event in list(events.values())}

    def _drop(self, session: str) -> None:
        self._queue.pending_messages_per_session.pop(session, None)
        self._queue.pending_event_ids_session.pop(session, None)


def drop_state(states: StateHolder, session: str) -> None:
    """0.3 MB, which Gradio would keep for an hour."""
    with states.lock:
        states.session_data.pop(session, None)
        states.time_last_used.pop(session, None)
