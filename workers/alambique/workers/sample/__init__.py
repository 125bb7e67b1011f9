"""Making the sample encoder: `python -m alambique.workers.sample FOLDER`."""
