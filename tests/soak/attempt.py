"""One network on one way, from the run to its outcome; what goes wrong is kept as files."""

from __future__ import annotations

import time
import traceback
from pathlib import Path

from qif_deploy.errors import BackendError, BackendTimeout, MissingDependencyError, UnsupportedError
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from tests.soak.cases import Case
from tests.soak.kept import keep
from tests.soak.outcome import BAD, Outcome, Verdict, first_difference
from tests.soak.way import Way
from tests.soak.ways import Changed, expected, run, taken

TOO_WIDE = ("exact in float64; use the reference", "beyond the int32 of the vectors")
"""Backend errors by which an engine refuses a network, as docs/numerics.md, section 6 lists them."""


def attempt(way: Way, case: Case, reference: Trace, failures: Path) -> Outcome:
    """Run ``case`` on ``way`` and compare; a bad outcome leaves a folder in ``failures``."""
    part = taken(way, case)
    trace = reference if part is case else run_reference(part.graph, part.inputs)
    start = time.perf_counter()
    arrays, reason = 0, ""
    try:
        found = run(way, part)
        wanted = expected(way, part, trace)
        arrays, difference = len(wanted), first_difference(wanted, found)
        verdict, reason = (Verdict.EQUAL, "") if difference is None else (Verdict.DIFFERS, difference)
    except BackendTimeout as error:
        verdict, reason = Verdict.HUNG, str(error)
    except (UnsupportedError, MissingDependencyError) as error:
        verdict, reason = Verdict.REFUSED, str(error)
    except BackendError as error:
        verdict, reason = Verdict.REFUSED if any(words in str(error) for words in TOO_WIDE) else Verdict.BROKE, str(error)
    except Changed as error:
        verdict, reason = Verdict.DIFFERS, str(error)
    except Exception:  # all: whatever a backend raises is a finding
        verdict, reason = Verdict.BROKE, traceback.format_exc()
    outcome = Outcome(
        number=case.number,
        way=way.value,
        verdict=verdict,
        arrays=arrays,
        spikes=sum(trace.spikes().values()) if verdict is Verdict.EQUAL else 0,
        seconds=time.perf_counter() - start,
        reason=reason,
    )
    if verdict in BAD:
        keep(outcome, part, failures)
    return outcome
