# SPDX-License-Identifier: Apache-2.0
"""What was measured: samples by metric and contender, and what went wrong."""
import json


class Results:
    def __init__(self):
        self.samples = {}  # "metric" → {"contender": [sample]}
        self.faults = []  # sentences
        self.machine = {}
        self.options = {}

    def add(self, metric, name, *samples):
        self.samples.setdefault(metric, {}).setdefault(name, []).extend(samples)

    def of(self, metric, name):
        return self.samples.get(metric, {}).get(name, [])

    def json(self, rows):
        return json.dumps({"format": 1, "machine": self.machine, "options": self.options, "rows": rows,
                           "faults": self.faults, "samples": self.samples}, indent=1)
