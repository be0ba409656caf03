"""Who is served next among those who wait: urgent classes first, tenants by turns, the shortest answer of a tenant.

take() ── class ────────► tenant ───────────► answer
          lowest number   least served yet    1. the oldest, if it waited longer than first-come would have made it
          first; who      (in tokens, as      2. the one that would miss its deadline, if it can still be made
          waited longer   they turned out)    3. the shortest by what is predicted
          than patience_s
          has every other turn

Shortest first is what makes the mean wait short; the first rule is what keeps the tail. What first-come would have made
of the same arrivals is known without a guess: it would by now have served as many as were served, in their order, so
whoever is next in that order has waited as long as first-come makes people wait. Nobody waits for long beyond the
longest such wait of a busy spell. Pure: no clock, no task.
"""

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field

PATIENCE_S = 60.0
SLACK = 1.2
"""How much longer than first-come would have kept the unluckiest of this busy spell anybody may wait."""
GRACE_S = 0.5
"""Waits too short to mind, however short first-come's are."""
MAX_KNOWN_TENANTS = 1024
"""Whose past use is remembered while they do not wait."""


@dataclass(slots=True, eq=False)
class Waiting:
    """One that waits."""

    predicted_tokens: float
    arrived_s: float
    tenant: str = ""
    priority: int = 0
    deadline_s: float | None = None
    arrival: int = -1
    """Its number in the order of arrival; -1 before it waits, and once it waits no more."""


@dataclass(slots=True)
class _Tenant:
    """The answers of one tenant. Entries of those who are gone are dropped when they come up."""

    shortest: list[tuple[float, int, Waiting]] = field(default_factory=list)
    oldest: deque[tuple[int, Waiting]] = field(default_factory=deque)
    due: list[tuple[float, int, Waiting]] = field(default_factory=list)
    first_come: deque[tuple[int, Waiting, float]] = field(default_factory=deque)
    """What first-come would still have waiting; its entries stay when they are really served."""
    longest_s: float = 0.0
    """That first-come would have kept anybody in this busy spell."""
    waiting: int = 0

    def head(self) -> Waiting:
        """Who waits longest."""
        while self.oldest[0][1].arrival != self.oldest[0][0]:
            self.oldest.popleft()
        return self.oldest[0][1]


@dataclass(slots=True)
class _Class:
    tenants: dict[str, _Tenant] = field(default_factory=dict)
    """Those of whom somebody waits."""
    served: dict[str, float] = field(default_factory=dict)
    """Tokens that each has had, counted from a common start."""
    now: float = 0.0
    """What the least served of those who wait had, at the last turn."""

    def head(self) -> Waiting:
        return min((tenant.head() for tenant in self.tenants.values()), key=lambda one: one.arrival)


class Line:
    """Everybody who waits. Each step takes time in the number of tenants, and the logarithm of the answers."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._classes: dict[int, _Class] = {}
        self._arrivals = itertools.count()
        self._count = 0
        self._impatient_next = False

    def __len__(self) -> int:
        return self._count

    def add(self, one: Waiting) -> None:
        """Puts it in line; `arrived_s` never goes back from one to the next."""
        one.arrival = next(self._arrivals)
        of_class = self._classes.setdefault(one.priority, _Class())
        tenant = of_class.tenants.get(one.tenant)
        if tenant is None:
            tenant = of_class.tenants[one.tenant] = _Tenant()
            # Who comes back has no claim to what it did not ask for in the meantime.
            had = of_class.served.get(one.tenant, 0.0)
            of_class.served[one.tenant] = max(had, of_class.now)
        heapq.heappush(tenant.shortest, (one.predicted_tokens, one.arrival, one))
        tenant.oldest.append((one.arrival, one))
        tenant.first_come.append((one.arrival, one, one.arrived_s))
        if one.deadline_s is not None:
            heapq.heappush(tenant.due, (one.deadline_s, one.arrival, one))
        tenant.waiting += 1
        self._count += 1

    def remove(self, one: Waiting) -> None:
        """For one that gave up. Nothing happens to one that waits no more."""
        if one.arrival < 0:
            return
        tenant = self._classes[one.priority].tenants[one.tenant]
        if tenant.first_come and tenant.first_come[0][0] <= one.arrival:
            # First-come would have had it waiting still, and lost it too.
            tenant.first_come = deque(entry for entry in tenant.first_come if entry[0] != one.arrival)
        self._leave(one)

    def take(self, now_s: float, token_s: float = 0.0, turn_s: float = 0.0) -> Waiting | None:
        """Who is served now, and waits no more; None where nobody waits.

        Args:
            token_s: what a token takes, for deadlines.
            turn_s: how long until somebody is served again, for deadlines.
        """
        if not self._count:
            return None
        of_class = self._next_class(now_s)
        name = min(
            of_class.tenants, key=lambda tenant: (of_class.served[tenant], of_class.tenants[tenant].head().arrival)
        )
        tenant = of_class.tenants[name]
        of_class.now = max(of_class.now, of_class.served[name])
        self._play_first_come(tenant, now_s)
        one = self._of(tenant, now_s, token_s, turn_s)
        of_class.served[name] += one.predicted_tokens
        self._leave(one)
        return one

    def served(self, one: Waiting, tokens: float) -> None:
        """Sets right what an answer took that was in line: predictions are no way to be served more than others."""
        of_class = self._classes.get(one.priority)
        if of_class is not None and one.tenant in of_class.served:
            of_class.served[one.tenant] += tokens - one.predicted_tokens

    def _next_class(self, now_s: float) -> _Class:
        waiting = {priority: one for priority, one in self._classes.items() if one.tenants}
        best = min(waiting)
        self._impatient_next = not self._impatient_next
        if len(waiting) > 1 and self._impatient_next:
            oldest = min(waiting, key=lambda priority: waiting[priority].head().arrival)
            if now_s - waiting[oldest].head().arrived_s > self._patience_s:
                best = oldest
        return waiting[best]

    def _play_first_come(self, tenant: _Tenant, now_s: float) -> None:
        """Lets first-come serve one too, and takes note of how long it had waited."""
        if tenant.first_come:
            tenant.longest_s = max(tenant.longest_s, now_s - tenant.first_come.popleft()[2])

    def _of(self, tenant: _Tenant, now_s: float, token_s: float, turn_s: float) -> Waiting:
        oldest = tenant.head()
        if now_s - oldest.arrived_s > GRACE_S + SLACK * tenant.longest_s:
            return oldest
        return self._urgent(tenant, now_s, token_s, turn_s) or self._shortest(tenant)

    def _urgent(self, tenant: _Tenant, now_s: float, token_s: float, turn_s: float) -> Waiting | None:
        """The next that must end, if it must begin now and can still end in time."""
        while tenant.due:
            deadline_s, arrival, one = tenant.due[0]
            needs_s = one.predicted_tokens * token_s
            if one.arrival != arrival or deadline_s < now_s + needs_s:
                heapq.heappop(tenant.due)
            elif deadline_s < now_s + needs_s + turn_s:
                return one
            else:
                return None
        return None

    def _shortest(self, tenant: _Tenant) -> Waiting:
        while tenant.shortest[0][2].arrival != tenant.shortest[0][1]:
            heapq.heappop(tenant.shortest)
        return tenant.shortest[0][2]

    def _leave(self, one: Waiting) -> None:
        of_class = self._classes[one.priority]
        one.arrival = -1
        self._count -= 1
        tenant = of_class.tenants[one.tenant]
        tenant.waiting -= 1
        if not tenant.waiting:
            # Its busy spell is over: what first-come made of the next is another story.
            del of_class.tenants[one.tenant]
            self._forget(of_class)

    def _forget(self, of_class: _Class) -> None:
        if len(of_class.served) > MAX_KNOWN_TENANTS:
            least = min(
                (name for name in of_class.served if name not in of_class.tenants),
                key=lambda name: of_class.served[name],
                default=None,
            )
            if least is not None:
                del of_class.served[least]
