# SPDX-License-Identifier: Apache-2.0
"""What runs the sessions of a plan: a contender that fails in one costs its figures of that session alone."""
import random

from contender import Failed


class Runner:
    def __init__(self, env, plan, results, tell):
        self.env, self.plan, self.results, self.tell = env, plan, results, tell
        self.rng = random.Random(1)

    def guarded(self, what, fn, *args):
        self.tell(what)
        try:
            fn(*args)
        except (Failed, OSError) as e:
            self.results.faults.append(f"{what}: {e}")
            self.tell(f"  {e}")

    def add(self, row, c, *samples):
        """Of a row that there is for several sizes."""
        self.results.add(f"{row}-{c.n}", c.name, *samples)


def that_are_there(classes, args, tell):
    """Those that are asked for and have what they need."""
    found = []
    for cls in classes:
        if args.only and cls.name not in args.only:
            continue
        if cls.missing(args.build):
            tell(f"{cls.name} is left out: {', '.join(cls.missing(args.build))} not there")
        else:
            found.append(cls)
    return found
