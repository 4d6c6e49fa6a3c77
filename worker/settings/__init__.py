"""Settings: where and how to run, read from a mapping of LEADSCORE_* variables; never what a lead is worth."""

from worker.settings.declared import PREFIX, VARIABLES, Settings, Variable
from worker.settings.loading import load_settings, open_secret_files, require_for_run
from worker.settings.secret import Secret

__all__ = [
    "PREFIX",
    "VARIABLES",
    "Secret",
    "Settings",
    "Variable",
    "load_settings",
    "open_secret_files",
    "require_for_run",
]
