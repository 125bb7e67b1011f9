"""What the commands print, for people and for programs."""

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen
from typing import Any
from uuid import UUID

import pytest

from alambique.registry import jobs, versions
from alambique.registry.database import Database
from alambique.registry.records import File, JobRow, Metric
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import Stage

Alambique = Callable[..., "subprocess.CompletedProcess[str]"]
