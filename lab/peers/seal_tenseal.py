"""Sealing 768 values with TenSEAL at the paper's sizes (N = 8192, 60-40-40-60 bits). Prints one JSON object.

Usage: python seal_tenseal.py RUNS
"""

import json
import math
import statistics
import sys
import time

import tenseal

VALUES = [math.sin(index) for index in range(768)]


def main() -> None:
    context = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS, poly_modulus_degree=8192, coeff_mod_bit_sizes=[60, 40, 40, 60]
    )
    context.global_scale = 2**40
    size, times = 0, []
    for _ in range(int(sys.argv[1]) + 1):
        start = time.perf_counter()
        size = len(tenseal.ckks_vector(context, VALUES).serialize())
        times.append((time.perf_counter() - start) * 1e3)
    # The first run warms up.
    print(json.dumps({"ms": statistics.median(times[1:]), "bytes": size}))


main()
