"""The storefront's contract, called from Python over grpcio.

usage: main.py --target=ADDRESS --pid=SERVER --data=DIR --max_upload=BYTES
"""
import os
import sys

import check_users  # noqa: F401: importing them adds their checks
import check_orders  # noqa: F401
import check_files  # noqa: F401
import check_chat  # noqa: F401
import check_service  # noqa: F401
from checks import run_checks
from shop import flags

passed = run_checks(flags.get("only", ""))
sys.stdout.flush()
# A check that hangs must not keep the program.
os._exit(0 if passed else 1)
