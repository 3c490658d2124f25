"""What fails by chance, and what may not: a case that failed is run once more, alone, behind all others. Where it passes
then it is unsteady: it counts as passed, is told with what it failed by, and wants to be mended.

Some faults need luck to be seen and are there all the same: Unforgivable. AMPOULE_STRICT=1: nothing is run twice.
"""
import os
import re

AT_MOST = 8  # failures of a run; where there are more it is no chance

# The sanitizers' reports and libc's; a signal by which a program ends itself, or the kernel it for what it did, as cmocka
# and the supervisor say it: SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS.
FLAW = re.compile(r"(?:ERROR|WARNING): \w+Sanitizer: .*|runtime error: .*|Test failed with exception: .*"
                  r"|\*\*\* .* \*\*\*: terminated|(?:free|malloc|realloc)\(\): .*|<jemalloc>: .*"
                  r"|a role died by a signal\",\"\w+\":(?P<signal>4|6|7|8|11|31)\b")


class Unforgivable(AssertionError):
    """A fault that was seen once is there: a secret found, a race won twice, memory misused."""


def refuse_flaws(text, caused=()):
    """Unforgivable where a program that said this misused memory, ran into the undefined, broke what it holds for certain
    or asked the kernel for what it may not. `caused`: by which signals the case itself had roles die."""
    for found in FLAW.finditer(text):
        if found["signal"] is None or int(found["signal"]) not in caused:
            raise Unforgivable(found.group() + "\n" + text[-20000:])


def is_allowed(failures):
    """Whether so many failures may be chance."""
    return 0 < failures <= AT_MOST and os.environ.get("AMPOULE_STRICT", "0") in ("", "0")


def tell(verdict, name, detail):
    """Prints a case that did not pass at once; ./check looks for these lines."""
    words = ": it failed, and passed the second time" if verdict == "unsteady" else ""
    print(f"  {verdict}  {name}{words}")
    print("\n".join("  | " + line for line in detail.rstrip().splitlines()[-60:]), flush=True)
