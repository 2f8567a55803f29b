"""What Gradio has to tell sessions and keeps in memory until they ask: of two minutes of video 15 MB of previews."""

from asyncio import Queue as Messages
from contextlib import suppress
from typing import Any

from gradio.queueing import Queue
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
    """Forgets messages that nobody will fetch: of sessions that have left, and of programs that never ask."""

    def __init__(self, queue: Queue):
        self._queue = queue
        queue.pending_messages_per_session = _Mail(queue.pending_messages_per_session.max_size)
        queue.pending_event_ids_session = _Jobs()
        self._seen: dict[str, frozenset[str]] = {}  # what `tidy` found: sessions without work, and their jobs

    def forget(self, session: str) -> None:
        """A session has left. If work for it goes on, which it may come back for, `tidy` does it later."""
        if session not in self._at_work():
            self._drop(session)

    def tidy(self) -> None:
        """Forgets sessions whose jobs had all ended when this was last called, and that have begun none since."""
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
