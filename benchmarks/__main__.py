"""All benchmarks, as one table."""

from benchmarks import (
    commands,
    feasibility,
    filtering,
    generation,
    loading,
    peers,
    scale,
    startup,
    tastes,
    thresholds,
    training,
)
from benchmarks.harness import main

if __name__ == "__main__":
    rooms = (
        thresholds,
        generation,
        filtering,
        feasibility,
        peers,
        tastes,
        training,
        loading,
        scale,
        startup,
        commands,
    )
    main(*(case for room in rooms for case in room.CASES))
