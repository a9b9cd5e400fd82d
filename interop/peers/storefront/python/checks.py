"""A list of checks, each of which prints one line."""
import concurrent.futures
import traceback

LIMIT_SECONDS = 60
_checks = []


def check(name, at_once=False):
    """Adds a check. One that takes long and disturbs nobody may begin at once."""

    def add(run):
        _checks.append((name, run, at_once))
        return run

    return add


def run_checks(only):
    """Runs all in order and says whether all passed."""
    chosen = [each for each in _checks if each[0].startswith(only)]
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=16)
    begun = {name: pool.submit(run) for name, run, at_once in chosen if at_once}
    failed = 0
    for name, run, _ in chosen:
        running = begun.get(name) or pool.submit(run)
        try:
            running.result(timeout=LIMIT_SECONDS)
            print(f"{name}: ok", flush=True)
        except concurrent.futures.TimeoutError:
            failed += 1
            print(f"{name}: FAILED not done after {LIMIT_SECONDS} s", flush=True)
        except Exception as error:  # whatever it is, it is told
            failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = str(error).replace("\n", " | ")
            print(f"{name}: FAILED {type(error).__name__}: {text} ({where.filename}:{where.lineno})", flush=True)
    return failed == 0
