"""Sums encrypted vectors with TenSEAL's CKKS under one shared key, as arXiv 2511.20983 does: bytes and milliseconds, as one JSON line.

Usage: python aggregate_tenseal.py RUNS SITES,SITES,… DIM,DIM,…
"""

import json
import statistics
import sys
import time

import tenseal as ts

runs = int(sys.argv[1])
sites = [int(number) for number in sys.argv[2].split(",")]
dims = [int(number) for number in sys.argv[3].split(",")]

# N=8192 with these primes gives the paper's 326 KB a ciphertext; it holds 4,096 values.
SLOTS = 4096
context = ts.context(ts.SCHEME_TYPE.CKKS, poly_modulus_degree=8192, coeff_mod_bit_sizes=[60, 40, 40, 60])
context.global_scale = 2**40


def median(operation):
    operation()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        operation()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def encrypt(values):
    return [ts.ckks_vector(context, values[at : at + SLOTS]) for at in range(0, len(values), SLOTS)]


def add(vectors):
    # `copy()` goes through bytes and would dominate; the first addition makes the vector that the others are added to.
    total = [chunk + other for chunk, other in zip(vectors[0], vectors[1])]
    for vector in vectors[2:]:
        for chunk, other in zip(total, vector):
            chunk += other
    return total


rows = []
for dim in dims:
    values = [((index * 37) % 2001 - 1000) / 1000 for index in range(dim)]
    encrypt_ms = median(lambda: [chunk.serialize() for chunk in encrypt(values)])
    sent = [chunk.serialize() for chunk in encrypt(values)]
    for count in sites:
        received = [[ts.ckks_vector_from(context, chunk) for chunk in sent] for _ in range(count)]
        add_ms = median(lambda: add(received))
        read_ms = median(lambda: [ts.ckks_vector_from(context, chunk) for chunk in sent])
        opened = sum((chunk.decrypt() for chunk in add(received)), [])
        error = max(abs(value - count * plain) for value, plain in zip(opened, values))
        rows.append(
            {
                "dim": dim,
                "sites": count,
                "site_ms": encrypt_ms,
                "site_bytes": sum(len(chunk) for chunk in sent),
                "relay_add_ms": add_ms,
                "relay_read_ms": read_ms * count,
                "largest_error": error,
            }
        )
print(json.dumps(rows))
