"""Loads a folder of event files as TensorBoard does and prints {tag: [[step, wall time, value], ...]} as JSON."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# 0: all points, where TensorBoard would thin them out.
accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
accumulator.Reload()
tags = accumulator.Tags()["scalars"]
print(json.dumps({t: [[s.step, s.wall_time, s.value] for s in accumulator.Scalars(t)] for t in tags}))
