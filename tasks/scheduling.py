"""What is asked of Luigi's scheduler for the tasks of a run, in Luigi's own settings: `[Scheduling]` of luigi.cfg."""

import functools

import luigi


class Scheduling(luigi.Config):
    """`luigi --module pipelines TrainModel --Scheduling-gpu 1 --Scheduling-priority 5`; part of no identity."""

    gpu: int = luigi.IntParameter(
        default=0, description="how much of the scheduler's resource gpu a task takes that trains or predicts"
    )
    priority: int = luigi.IntParameter(
        default=0, description="of the tasks of this run: a central scheduler gives out the greater first"
    )


@functools.cache
def asked() -> Scheduling:
    """The settings of this process, read once: Luigi asks for them often."""
    return Scheduling()
