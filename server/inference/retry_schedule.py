"""The retry schedule: when each refused caller may come back, so that they do not come all at once.

Every refusal gets a time of its own: after that of the refusal before, by as long as that one's work takes. So refused
callers come as fast as their work can be done. The schedule reserves nothing: it knows no caller, and some never come
back or ignore it. A full schedule therefore begins anew.
"""

import math
import time
from collections.abc import Callable


class RetrySchedule:
    """Times for refused callers.

    Args:
        clock: seconds from any origin.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._next_at = -math.inf

    def seconds(self, earliest_s: float, work_s: float, longest_s: float) -> float:
        """Return the seconds after which a caller that is refused now may come back.

        Args:
            earliest_s: seconds until there is room for it, if no other comes.
            work_s: seconds that its work takes.
            longest_s: callers are spread over so many seconds beyond the earliest time, then from it again.
        """
        now = self._clock()
        earliest_at = now + earliest_s
        at = max(earliest_at, self._next_at)
        if at > earliest_at + longest_s:
            at = earliest_at
        self._next_at = at + work_s
        return at - now
