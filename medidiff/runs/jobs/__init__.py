"""Jobs that outlive their caller: a verb of the command line in a process and a folder of its own."""

from medidiff.runs.jobs.control import (
    advance,
    cancel_job,
    forget_job,
    list_jobs,
    read_job,
    start_job,
    stop_jobs,
)
from medidiff.runs.jobs.folder import Job, State
from medidiff.runs.jobs.process import environment
from medidiff.runs.jobs.servers import among_servers
from medidiff.runs.jobs.worker import Worker

__all__ = [
    "Job",
    "State",
    "Worker",
    "advance",
    "among_servers",
    "cancel_job",
    "environment",
    "forget_job",
    "list_jobs",
    "read_job",
    "start_job",
    "stop_jobs",
]
