"""Times Charm's RW15 and prints them in the form of docs/benchmarks/abe/figures.csv.

All n attributes joined by `and`, two authorities. SS512 is Charm's default, a curve of about 80 bits that is
out of date; BN254 is the one rabe uses.
"""

import sys
import time

from charm.schemes.abenc.abenc_maabe_rw15 import MaabeRW15, merge_dicts
from charm.toolbox.pairinggroup import GT, PairingGroup

SIZES = [5, 10, 20, 30, 100]
BUDGET_S = 0.4
LEAST, MOST = 3, 100


def measure(work):
    """Prints nothing; returns the result, and median, minimum (ms of process CPU time) and repetitions."""
    work()
    times = []
    while len(times) < LEAST or (sum(times) < BUDGET_S and len(times) < MOST):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    times.sort()
    return result, (times[len(times) // 2] * 1e3, times[0] * 1e3, len(times))


def main():
    sys.setrecursionlimit(10_000)
    for curve in ["SS512", "BN254"]:
        group = PairingGroup(curve)
        scheme = MaabeRW15(group)
        params = scheme.setup()
        authorities = {name: scheme.authsetup(params, name) for name in ["X", "Y"]}
        publics = {name: public for name, (public, _) in authorities.items()}
        for n in SIZES:
            attributes = {name: [f"A{i}@{name}" for i in range(n) if "XY"[i % 2] == name] for name in "XY"}
            policy = " and ".join(f"A{i}@{'XY'[i % 2]}" for i in range(n))
            message = group.random(GT)

            def keygen():
                keys = {}
                for name, (_, secret) in authorities.items():
                    own = scheme.multiple_attributes_keygen(params, secret, "alice", attributes[name])
                    keys = merge_dicts(keys, own)
                return {"GID": "alice", "keys": keys}

            keys, times = measure(keygen)
            report(curve, "keygen", n, times)
            ciphertext, times = measure(lambda: scheme.encrypt(params, publics, message, policy))
            report(curve, "encrypt", n, times)
            opened, times = measure(lambda: scheme.decrypt(params, keys, ciphertext))
            assert opened == message
            report(curve, "decrypt", n, times)


def report(curve, operation, n, times):
    median_ms, min_ms, repetitions = times
    print(f"Charm RW15 {curve},{operation},{n},{median_ms:.4f},{min_ms:.4f},{repetitions}", flush=True)


main()
