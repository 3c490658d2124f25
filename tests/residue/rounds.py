"""One round: the paths in their order, a search behind each."""
import signal
import time
import traceback

import again
import paths_calls
import paths_clients
import paths_ends
import paths_push
import paths_refusals
from plants import Plants
from stage import Stage
from watched import Watched

PATHS = [*paths_calls.PATHS, *paths_refusals.PATHS, *paths_push.PATHS, *paths_clients.PATHS,
         *paths_ends.PATHS]
# The pool as it is, and one that can be searched as well; in each the roles die of another signal.
WAYS = (("mlock", signal.SIGKILL), ("secretmem", signal.SIGABRT))
SHOWN = 12


class Round:
    """`words`: the paths whose name has one of them; `verdicts(verdict, name, detail)` is told of each."""

    def __init__(self, verdicts, words, verbose):
        self.verdicts = verdicts
        self.words = words
        self.verbose = verbose

    def run(self, name):
        for pool, fatal_signal in WAYS:
            plants = Plants()
            with Watched(plants, pool) as daemon:
                stage = Stage(daemon)
                stage.fatal_signal = fatal_signal
                daemon.caused_deaths = (fatal_signal,)
                try:
                    self.drive(f"{name}, pool {pool}", stage)
                finally:
                    stage.close()

    def drive(self, name, stage):
        for path in PATHS:
            if not any(word in path.__name__ for word in self.words):
                continue
            stage.name = path.__name__.replace("_", " ")
            started = time.monotonic()
            failure = self.failure(path, stage)
            if failure and again.is_allowed(1):
                first, failure = failure, self.failure(path, stage)
                if failure is None:
                    again.tell("unsteady", f"{name}: {stage.name}", first)
            if failure:
                self.verdicts("FAIL", f"{name}: {stage.name} was not driven to its end", failure)
            driven = time.monotonic()
            self.judge(f"{name}: {stage.name}", stage)
            if self.verbose:
                print(f"      {driven - started:.1f} s driven, {time.monotonic() - driven:.1f} s searched, "
                      f"{len(stage.plants.all)} plants", flush=True)
        if self.verbose:
            print("      refused as " + " ".join(sorted(filter(None, stage.codes))))

    @staticmethod
    def failure(path, stage):
        """What kept the path from its end, or None. It may be driven once more: what lies about then is searched too."""
        try:
            path(stage)
        except (AssertionError, OSError, LookupError, ValueError):
            return traceback.format_exc(limit=-4) + stage.daemon.log()[-3000:]
        return None

    def judge(self, name, stage):
        """Everything that is there now, and what the path looked at itself."""
        try:
            reports = [stage.daemon.search(), *stage.reports]
        except AssertionError as error:
            self.verdicts("FAIL", name, str(error))
            return
        stage.reports = []
        hits = sorted((hit for report in reports for hit in report.hits), key=lambda hit: -hit.length)
        lines = [f"      {hit.plant} in {hit.target}, {hit.place} at {hit.address}, as {hit.spelling}, "
                 f"{hit.length} bytes, {hit.count} pieces" for hit in hits]
        lines += [f"      a core: {core}" for core in stage.daemon.died_with_core()]
        lines += [f"      a file that nobody could search: {path}" for path in stage.daemon.vanished()]
        read, secret, at_home, chance = (sum(values) for values in zip(*(report.totals() for report in reports)))
        self.verdicts("FAIL" if lines else "ok", name,
                      f"{read >> 20} MiB searched, {secret >> 10} KiB nobody can read, "
                      f"{at_home} pieces of keys at home, {chance} by chance")
        print("\n".join(lines[:SHOWN] + ([f"      and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])),
              end="\n" if lines else "", flush=True)
